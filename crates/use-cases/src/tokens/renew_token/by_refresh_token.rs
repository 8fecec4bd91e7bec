use std::sync::OnceLock;

use domain::caller::{Call, CallingUser};
use domain::time::Timestamp;
use domain::tokens::{PresentedToken, RefreshFamily, RefreshToken, RevocationReason, Verdict};
use ports::tokens::{CloseOutcome, RotationOutcome};
use ports::{MetricEvent, RenewalOutcome};

use super::{ExpectedSubject, RenewToken};
use crate::tokens::TokenError;
use crate::tokens::access_token_factory::{AccessTokenDraft, IssuedTokens, issue};
use crate::tokens::mint_gate::{Minted, Subject, UserSubject, WriteEffect};
use crate::tokens::rejection::{RejectionReason, reject};

/// One presentation of a refresh token.
struct Attempt<'a> {
    call: &'a Call,
    presented: PresentedToken,
    subject: UserSubject,
    remember: bool,
    now: Timestamp,
}

impl Attempt<'_> {
    fn refused(&self, reason: RejectionReason) -> TokenError {
        reject(self.call, Some(&self.presented.token.family), reason)
    }
}

impl RenewToken {
    /// Rotates a family, or closes it (03-protocols 1). Everything that may fail is read before the write.
    pub(super) async fn by_refresh_token(
        &self,
        call: &Call,
        token: RefreshToken,
        claimed: &ExpectedSubject,
        remember: bool,
    ) -> Result<(Minted<IssuedTokens>, RenewalOutcome), TokenError> {
        let now = self.clock.now();
        let found = self.sessions.find_for(&token, now).await?;
        let family = found.ok_or_else(|| reject(call, Some(&token.family), RejectionReason::Unknown))?;
        let origin = &family.origin;
        self.belongs_to(call, Some(&family.id), (&origin.client, &origin.user))
            .await?;
        let agreement = self.agrees(claimed, &origin.client, &origin.user).await;
        let presented = PresentedToken {
            token,
            client: origin.client.clone(),
            user: origin.user.clone(),
        };
        let attempt = Attempt {
            call,
            presented,
            subject: subject_of(&family),
            remember,
            now,
        };
        self.usable(&family, &attempt).await?;
        let access_token = match agreement {
            Ok(()) => self.access_token(&family, remember).await,
            Err(refused) => Err(refused),
        };
        if access_token.is_err() {
            // A lock is told before anything else that is wrong.
            self.gate.check_before_write(call, &attempt.subject).await?;
        }
        let access_token = access_token?;
        let outcome = OnceLock::new();
        let write = async {
            if remember {
                let successor = self.successor(&attempt, family).await?;
                Ok(successor.map(|(current, made_by)| {
                    let _ = outcome.set(made_by);
                    Some(self.sessions.current_token(&current))
                }))
            } else {
                Ok(self.forget(&attempt).await?.map(|()| None))
            }
        };
        let subject = Subject::User(call, attempt.subject.clone());
        let minted = self
            .gate
            .mint(subject, write, |refresh, signer| issue(access_token, refresh, signer))
            .await?;
        Ok((minted, outcome.into_inner().unwrap_or(RenewalOutcome::Renewed)))
    }

    async fn access_token(&self, family: &RefreshFamily, remember: bool) -> Result<AccessTokenDraft, TokenError> {
        let origin = &family.origin;
        let user = CallingUser {
            id: origin.user.clone(),
            business: origin.business.clone(),
            session: remember.then(|| family.id.clone()),
            epoch: origin.epoch,
        };
        let client = self.access_tokens.enabled_client(&origin.client).await?;
        let token = self
            .access_tokens
            .for_user(&client, user, &origin.asserted_groups())
            .await?;
        Ok(token.ending_by(Some(family.absolute_expires_at)))
    }

    /// The family with the successor of the presented token, and whether this call made it.
    async fn successor(
        &self,
        attempt: &Attempt<'_>,
        found: RefreshFamily,
    ) -> Result<WriteEffect<(RefreshFamily, RenewalOutcome)>, TokenError> {
        // A token that is superseded already stays so: there is nothing to write.
        if self.judge(&found, attempt) == Verdict::Superseded {
            return Ok(WriteEffect::Unchanged((found, RenewalOutcome::Repeated)));
        }
        let next = self.sessions.successor(&found, attempt.now);
        let left = match self.sessions.rotate(&attempt.presented, &next).await? {
            RotationOutcome::Rotated => return Ok(WriteEffect::Changed((next, RenewalOutcome::Renewed))),
            RotationOutcome::Superseded(family) => Some(family),
            RotationOutcome::Unknown => None,
        };
        let family = self.not_matched(left, attempt).await?;
        Ok(WriteEffect::Unchanged((family, RenewalOutcome::Repeated)))
    }

    /// Closes the family; the token that did so may be presented again for a while.
    async fn forget(&self, attempt: &Attempt<'_>) -> Result<WriteEffect<()>, TokenError> {
        let left = match self.sessions.close(&attempt.presented, attempt.now).await? {
            CloseOutcome::Closed => return Ok(WriteEffect::Changed(())),
            CloseOutcome::NotMatched(family) => Some(family),
            CloseOutcome::Unknown => None,
        };
        self.not_matched(left, attempt).await?;
        Ok(WriteEffect::Unchanged(()))
    }

    /// Returns the family that a write did not match, when the token still gets something from it.
    async fn not_matched(
        &self,
        left: Option<RefreshFamily>,
        attempt: &Attempt<'_>,
    ) -> Result<RefreshFamily, TokenError> {
        let token = &attempt.presented.token;
        let confirmed = self.sessions.confirm_for(left, token, attempt.now).await?;
        let family = confirmed.ok_or_else(|| attempt.refused(RejectionReason::Unknown))?;
        self.usable(&family, attempt).await?;
        Ok(family)
    }

    fn judge(&self, family: &RefreshFamily, attempt: &Attempt<'_>) -> Verdict {
        family.judge(&attempt.presented.token, attempt.now, self.sessions.grace())
    }

    /// Whether the token still gets anything from its family. A spent one ends it, unless the user is locked, which is
    /// told first.
    async fn usable(&self, family: &RefreshFamily, attempt: &Attempt<'_>) -> Result<(), TokenError> {
        match self.judge(family, attempt) {
            Verdict::Current | Verdict::Superseded => Ok(()),
            Verdict::ClosedByThisToken if !attempt.remember => Ok(()),
            Verdict::ClosedByThisToken | Verdict::Ended => {
                self.gate.check_before_write(attempt.call, &attempt.subject).await?;
                Err(attempt.refused(RejectionReason::of_dead(family)))
            }
            Verdict::Replayed => {
                self.gate.check_before_write(attempt.call, &attempt.subject).await?;
                self.sessions
                    .revoke(attempt.call, &family.id, RevocationReason::Replay)
                    .await?;
                self.telemetry.record(MetricEvent::Replay);
                Err(attempt.refused(RejectionReason::Replay))
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
        ancestors: origin.ancestors.clone(),
    }
}
