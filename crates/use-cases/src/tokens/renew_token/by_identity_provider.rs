use domain::caller::{Call, CallingUser};
use domain::client::Client;
use domain::group::AssertedGroups;
use domain::ids::{ClientId, UserId};

use super::{RenewToken, Renewed};
use crate::ActiveUser;
use crate::tokens::TokenError;
use crate::tokens::access_token_factory::{self, issue};
use crate::tokens::mint_gate::{Subject, UserSubject, WriteEffect};

impl RenewToken {
    /// Renews after a login at an external identity provider. A client on its own may start a session; a user's token gets
    /// an access token of its own session and no more, because whoever holds one would else hold a session of its own.
    pub(super) async fn by_identity_provider(
        &self,
        call: &Call,
        client: &ClientId,
        user: UserId,
        remember: bool,
    ) -> Renewed {
        if call.user_id().is_some_and(|calling| *calling != user) {
            return Err(TokenError::NotPermitted);
        }
        let own = self.access_tokens.enabled_client(&call.client).await;
        let is_own = match &own {
            Ok(own) => own.is_known_as(client),
            Err(_) => call.client == *client,
        };
        if matches!(own, Ok(_) | Err(TokenError::ClientNotUsable)) && !is_own {
            return Err(TokenError::NotPermitted);
        }
        match &call.user {
            Some(calling) => self.within_a_session(call, calling, own).await,
            None => self.by_a_client(call, user, own, remember).await,
        }
    }

    /// An access token of the caller's session; without a session it ends no later than the caller's.
    async fn within_a_session(&self, call: &Call, calling: &CallingUser, own: Result<Client, TokenError>) -> Renewed {
        // A lock is told before anything else that is wrong.
        let ActiveUser { session, .. } = self.gate.check_caller(call, calling).await?;
        let own = set_up(own)?;
        let (groups, mut ancestors, ends_at) = match session {
            Some(session) => (
                session.origin.asserted_groups(),
                session.origin.ancestors,
                session.absolute_expires_at,
            ),
            None => (AssertedGroups::default(), Vec::new(), call.expires_at),
        };
        let token = self.access_tokens.for_user(&own, calling.clone(), &groups).await?;
        let token = token.ending_by(Some(ends_at));
        // A revocation of the session itself counts as one of an ancestor.
        ancestors.extend(calling.session.clone());
        let subject = UserSubject {
            id: calling.id.clone(),
            epoch: calling.epoch,
            family: calling.session.clone(),
            ancestors,
        };
        self.gate
            .mint(
                Subject::User(call, subject),
                async { Ok(WriteEffect::Unchanged(())) },
                |(), signer| issue(token, None, signer),
            )
            .await
    }

    /// A session, or an access token alone, on the word of the client.
    async fn by_a_client(&self, call: &Call, user: UserId, own: Result<Client, TokenError>, remember: bool) -> Renewed {
        let mut user = self.unlocked(user).await?;
        let own = set_up(own)?;
        let unbranched = (Vec::new(), None);
        let groups = AssertedGroups::default();
        let session = remember.then(|| self.new_session(&user, own.id.clone(), groups.clone(), unbranched));
        user.session = session.as_ref().map(|session| session.id.clone());
        let subject = UserSubject {
            id: user.id.clone(),
            epoch: user.epoch,
            family: user.session.clone(),
            ancestors: Vec::new(),
        };
        let token = self.access_tokens.for_user(&own, user, &groups).await?;
        self.take_session_start(session.as_ref())?;
        let write = async {
            match session {
                Some(session) => Ok(self.start(call, session).await?.map(Some)),
                None => Ok(WriteEffect::Unchanged(None)),
            }
        };
        self.gate
            .mint(Subject::User(call, subject), write, |refresh, signer| {
                issue(token, refresh, signer)
            })
            .await
    }

    /// The user under the epoch read now, before the write of this path.
    async fn unlocked(&self, user: UserId) -> Result<CallingUser, TokenError> {
        let lock_status = self.lock_statuses.read_linearizable(&user).await?;
        if lock_status.is_locked {
            Err(TokenError::CredentialLocked)
        } else {
            Ok(access_token_factory::user(user, None, lock_status.epoch))
        }
    }
}

/// The client, when it is set up for logins at an identity provider.
fn set_up(own: Result<Client, TokenError>) -> Result<Client, TokenError> {
    own.and_then(|own| {
        if own.is_identity_provider {
            Ok(own)
        } else {
            Err(TokenError::ClientNotUsable)
        }
    })
}
