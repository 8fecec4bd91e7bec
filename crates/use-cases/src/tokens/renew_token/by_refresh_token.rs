use domain::caller::{Caller, CallingUser};
use domain::time::Timestamp;
use domain::tokens::{Presented, RefreshFamily, RefreshToken, RevocationReason, Verdict};
use ports::tokens::{Closed, Rotation};
use ports::{Measure, RenewalOutcome};

use super::{Claimed, RenewToken, Renewed};
use crate::tokens::Refused;
use crate::tokens::grants::issue;
use crate::tokens::mint_gate::{Subject, UserSubject};

impl RenewToken {
    /// Rotates a family, or closes it (03-protocols 1). Everything that may fail is read before the write.
    pub(super) async fn by_refresh_token(
        &self,
        caller: &Caller,
        token: RefreshToken,
        claimed: &Claimed,
        remember: bool,
        outcome: &mut RenewalOutcome,
    ) -> Renewed {
        let now = self.clock.now();
        let family = self.sessions.find(&token.family).await?.ok_or(Refused::TokenNotValid)?;
        Self::belongs_to(caller, &family.origin.client, &family.origin.user)?;
        self.agrees(claimed, &family.origin.client, &family.origin.user).await?;
        let subject = subject_of(&family);
        self.usable(&family, &token, &subject, remember, now).await?;
        let user = CallingUser {
            id: family.origin.user.clone(),
            business: family.origin.business.clone(),
            session: remember.then(|| family.id.clone()),
            epoch: family.origin.epoch,
        };
        let access_token = match self.access_token(&family, user).await {
            Ok(access_token) => access_token,
            Err(refused) => {
                // A lock is told before anything else that is wrong.
                self.gate.look(&subject).await?;
                return Err(refused);
            }
        };
        let presented = Presented {
            token,
            client: family.origin.client.clone(),
            user: family.origin.user.clone(),
        };
        let write = async {
            if remember {
                let (current, rotated) = self.successor(&presented, family, &subject, now).await?;
                if !rotated {
                    *outcome = RenewalOutcome::Repeated;
                }
                Ok(Some(self.sessions.current_token(&current)))
            } else {
                self.forget(&presented, &subject, now).await?;
                Ok(None)
            }
        };
        self.gate
            .mint(Subject::User(subject.clone()), write, |refresh, signer| {
                issue(access_token, refresh, signer)
            })
            .await
    }

    async fn access_token(
        &self,
        family: &RefreshFamily,
        user: CallingUser,
    ) -> Result<domain::tokens::AccessToken, Refused> {
        let client = self.grants.enabled_client(&family.origin.client).await?;
        self.grants.for_user(&client, user, &family.origin.groups).await
    }

    /// The family with the successor of the presented token, and whether this call made it.
    async fn successor(
        &self,
        presented: &Presented,
        found: RefreshFamily,
        subject: &UserSubject,
        now: Timestamp,
    ) -> Result<(RefreshFamily, bool), Refused> {
        // A token that is superseded already stays so: there is nothing to write.
        if found.judge(&presented.token, now, self.sessions.grace()) == Verdict::Superseded {
            return Ok((found, false));
        }
        match self.sessions.rotate(presented, now).await? {
            Rotation::Rotated(family) => Ok((family, true)),
            Rotation::Superseded(family) => {
                self.usable(&family, &presented.token, subject, true, now).await?;
                Ok((family, false))
            }
            Rotation::Unknown => Err(Refused::TokenNotValid),
        }
    }

    /// Closes the family; the token that did so may be presented again for a while.
    async fn forget(&self, presented: &Presented, subject: &UserSubject, now: Timestamp) -> Result<(), Refused> {
        match self.sessions.close(presented, now).await? {
            Closed::Closed => Ok(()),
            Closed::NotMatched(family) => self.usable(&family, &presented.token, subject, false, now).await,
            Closed::Unknown => Err(Refused::TokenNotValid),
        }
    }

    /// Whether the token still gets anything from its family. A spent one ends it, unless the user is locked, which is
    /// told first.
    async fn usable(
        &self,
        family: &RefreshFamily,
        token: &RefreshToken,
        subject: &UserSubject,
        remember: bool,
        now: Timestamp,
    ) -> Result<(), Refused> {
        match family.judge(token, now, self.sessions.grace()) {
            Verdict::Current | Verdict::Superseded => Ok(()),
            Verdict::ClosedByThis if !remember => Ok(()),
            Verdict::ClosedByThis | Verdict::Ended => {
                self.gate.look(subject).await?;
                Err(Refused::TokenNotValid)
            }
            Verdict::Replayed => {
                self.gate.look(subject).await?;
                self.sessions.revoke(&family.id, RevocationReason::Replay).await?;
                self.telemetry.record(Measure::Replay);
                Err(Refused::TokenNotValid)
            }
        }
    }
}

fn subject_of(family: &RefreshFamily) -> UserSubject {
    let origin = &family.origin;
    UserSubject {
        id: origin.user.clone(),
        epoch: origin.epoch,
        family: Some(family.id.clone()),
        root: (origin.root != family.id).then(|| origin.root.clone()),
    }
}
