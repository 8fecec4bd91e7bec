use domain::caller::{Caller, CallingUser};
use domain::ids::{ClientId, UserId};

use super::{RenewToken, Renewed};
use crate::tokens::Refused;
use crate::tokens::grants::{self, issue};
use crate::tokens::mint_gate::{Path, Subject, UserSubject};

impl RenewToken {
    /// After a login at an external identity provider; from a user token it branches from that session.
    pub(super) async fn by_identity_provider(
        &self,
        caller: &Caller,
        client: &ClientId,
        user: UserId,
        remember: bool,
    ) -> Renewed {
        if caller.user_id().is_some_and(|calling| *calling != user) {
            return Err(Refused::NotPermitted);
        }
        let own = self.grants.enabled_client(&caller.client).await;
        let is_own = match &own {
            Ok(own) => own.is_known_as(client),
            Err(_) => caller.client == *client,
        };
        if matches!(own, Ok(_) | Err(Refused::ClientNotUsable)) && !is_own {
            return Err(Refused::NotPermitted);
        }
        let mut user = match &caller.user {
            Some(calling) => grants::user(user, calling.business.clone(), calling.epoch),
            None => self.unlocked(user).await?,
        };
        let mut subject = UserSubject {
            id: user.id.clone(),
            epoch: user.epoch,
            family: None,
            root: None,
        };
        // A lock is told before anything else that is wrong, and before what it did to the session.
        self.gate.look(&subject).await?;
        let own = own?;
        if !own.identity_provider {
            return Err(Refused::ClientNotUsable);
        }
        let parent = self.sessions.alive(caller).await?;
        subject.root = parent.as_ref().map(|parent| parent.origin.root.clone());
        self.gate.look(&subject).await?;
        let groups = parent
            .as_ref()
            .map_or_else(Vec::new, |parent| parent.origin.groups.clone());
        // A user's token without a session cannot be revoked, so what comes of it lives no longer than it does.
        let ends_at = match (&parent, &caller.user) {
            (Some(parent), _) => Some(parent.absolute_expires_at),
            (None, Some(_)) => Some(caller.expires_at),
            (None, None) => None,
        };
        let branch_of = (parent.map(|parent| parent.origin.root), ends_at);
        let session = remember.then(|| self.new_session(&user, own.id.clone(), groups.clone(), branch_of));
        user.session = session.as_ref().map(|session| session.id.clone());
        subject.family = user.session.clone();
        let token = self.grants.for_user(&own, user, &groups).await?.ending_by(ends_at);
        let write = async {
            match session {
                Some(session) => Ok(Path::Wrote(Some(self.start(session).await?))),
                None => Ok(Path::OnlyRead(None)),
            }
        };
        self.gate
            .mint(Subject::User(subject), write, |refresh, signer| {
                issue(token, refresh, signer)
            })
            .await
    }

    /// The user under the epoch read now, before the write of this path.
    async fn unlocked(&self, user: UserId) -> Result<CallingUser, Refused> {
        let standing = self.standings.look(&user).await?;
        if standing.locked {
            Err(Refused::CredentialLocked)
        } else {
            Ok(grants::user(user, None, standing.epoch))
        }
    }
}
