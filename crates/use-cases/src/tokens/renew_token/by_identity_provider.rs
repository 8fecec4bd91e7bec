use domain::caller::{Call, CallingUser};
use domain::client::Client;
use domain::group::AssertedGroups;
use domain::ids::{ClientId, UserId};
use futures_util::future::join;

use super::{NewSession, RenewToken, RenewalResult};
use crate::sessions::{ActiveUser, Subject, TokenError, UserSubject, WriteEffect, calling_user, issue};

impl RenewToken {
    /// Renews after a login at an external identity provider. A client on its own may start a session. A caller with a
    /// user's token gets only an access token of its own session: otherwise the thief of an access token could turn it
    /// into a session.
    pub(super) async fn by_identity_provider(
        &self,
        call: &Call,
        client: &ClientId,
        user: UserId,
        is_remembered: bool,
    ) -> RenewalResult {
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
            Some(calling) => self.renew_own_session(call, calling, own).await,
            None => self.renew_for_client(call, user, own, is_remembered).await,
        }
    }

    /// Issues an access token of the caller's session. Without a session, the token expires no later than the caller's.
    async fn renew_own_session(
        &self,
        call: &Call,
        calling: &CallingUser,
        own: Result<Client, TokenError>,
    ) -> RenewalResult {
        // This comes before the check of the client's set-up, because a lock is reported before other errors.
        let ActiveUser {
            session,
            sessions_version,
            ..
        } = self.gate.check_caller(call, calling).await?;
        let own = require_identity_provider(own)?;
        let (groups, mut ancestors, ends_at) = match session {
            Some(session) => (
                session.origin.asserted_groups(),
                session.origin.ancestors,
                session.absolute_expires_at,
            ),
            None => (AssertedGroups::default(), Vec::new(), call.expires_at),
        };
        let user = CallingUser {
            sessions_version,
            ..calling.clone()
        };
        let token = self.access_tokens.for_user(&own, user, &groups).await?;
        let token = token.ending_by(Some(ends_at));
        // The gate reads the ancestors again. The session itself is added to them, so that the gate detects a
        // revocation since the check above.
        ancestors.extend(calling.session.clone());
        let subject = UserSubject {
            id: calling.id.clone(),
            epoch: calling.epoch,
            sessions_version,
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

    /// Starts a session, or issues an access token alone, for a user whom the client has authenticated.
    async fn renew_for_client(
        &self,
        call: &Call,
        user: UserId,
        own: Result<Client, TokenError>,
        is_remembered: bool,
    ) -> RenewalResult {
        let mut user = self.read_unlocked_user(user).await?;
        let own = require_identity_provider(own)?;
        let no_parent = (Vec::new(), None);
        let groups = AssertedGroups::default();
        let session = is_remembered.then(|| {
            let first = self.sessions.first_refresh_token();
            NewSession::new(first, &user, own.id.clone(), groups.clone(), no_parent)
        });
        user.session = session.as_ref().map(|session| session.first.family.clone());
        let subject = UserSubject {
            id: user.id.clone(),
            epoch: user.epoch,
            sessions_version: user.sessions_version,
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

    /// Returns an unlocked user with the epoch and the sessions version, which are read before the write of
    /// this path. Rejects a locked user.
    async fn read_unlocked_user(&self, user: UserId) -> Result<CallingUser, TokenError> {
        let (lock_status, sign_in) = join(
            self.lock_statuses.read_linearizable(&user),
            self.sign_in_statuses.read_linearizable(&user),
        )
        .await;
        let lock_status = lock_status?;
        if lock_status.is_locked {
            Err(TokenError::CredentialLocked)
        } else {
            let issued_under = (lock_status.epoch, sign_in?.sessions_version);
            Ok(calling_user(user, None, issued_under))
        }
    }
}

/// Returns the client if it is registered for logins at an identity provider.
fn require_identity_provider(own: Result<Client, TokenError>) -> Result<Client, TokenError> {
    own.and_then(|own| {
        if own.is_identity_provider {
            Ok(own)
        } else {
            Err(TokenError::ClientNotUsable)
        }
    })
}
