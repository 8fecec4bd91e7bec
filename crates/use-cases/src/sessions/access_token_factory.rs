use std::sync::Arc;
use std::time::Duration;

use domain::caller::CallingUser;
use domain::client::{Client, ExpiresIn};
use domain::group::AssertedGroups;
use domain::ids::{BusinessId, ClientId, FamilyId, UserId};
use domain::sessions::{AccessToken, AccessTokenSubject, RolesAndScopes};
use domain::time::{self, Timestamp};
use ports::{Clients, Clock, Groups, Identities, Randomness};

use super::{SessionPorts, SessionSettings, TokenError};
use crate::UseCaseError;

use super::mint_gate::Signer;

/// The tokens of an answer.
#[derive(Debug)]
pub struct IssuedTokens {
    pub access_token: String,
    /// The wire form of the refresh token; `None` after a renewal with `remember-me=false`, for example.
    pub refresh_token: Option<String>,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    /// The form of the expiry in the answer.
    pub expires_in: ExpiresIn,
    pub scopes: Vec<String>,
    /// The user of the tokens; `None` for a client on its own.
    pub user: Option<UserId>,
    /// The session that the tokens belong to.
    pub session: Option<FamilyId>,
}

/// An access token that is ready to be signed, and the form of the expiry in its answer.
pub(crate) struct AccessTokenDraft {
    token: AccessToken,
    expires_in: ExpiresIn,
}

impl AccessTokenDraft {
    /// Shortens the lifetime so that the token ends by `end`, if there is one.
    pub(crate) fn ending_by(mut self, end: Option<Timestamp>) -> Self {
        self.token = self.token.ending_by(end);
        self
    }
}

/// Drafts access tokens. Roles and scopes are computed from what is stored at each call, never copied from a token.
pub(crate) struct AccessTokenFactory {
    clients: Arc<dyn Clients>,
    identities: Arc<dyn Identities>,
    groups: Arc<dyn Groups>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    access_token_lifetime: Duration,
}

impl AccessTokenFactory {
    pub(crate) fn new(ports: &SessionPorts, settings: &SessionSettings) -> Self {
        Self {
            clients: ports.stores.clients.clone(),
            identities: ports.stores.identities.clone(),
            groups: ports.stores.groups.clone(),
            clock: ports.runtime.clock.clone(),
            randomness: ports.runtime.randomness.clone(),
            access_token_lifetime: settings.access_token_lifetime,
        }
    }

    /// Returns the client if it is registered and enabled.
    pub(crate) async fn enabled_client(&self, id: &ClientId) -> Result<Client, TokenError> {
        self.clients
            .find(id)
            .await?
            .filter(|client| client.is_enabled)
            .ok_or(TokenError::ClientNotUsable)
    }

    /// Returns whether a client, enabled or not, has `name` as its id or alias.
    pub(crate) async fn is_known_as(&self, id: &ClientId, name: &ClientId) -> Result<bool, TokenError> {
        Ok(self
            .clients
            .find(id)
            .await?
            .is_some_and(|client| client.is_known_as(name)))
    }

    /// Drafts an access token for a client on its own. Its answer has the lifetime in seconds, like `expires_in` of RFC
    /// 6749.
    pub(crate) fn for_client(&self, client: &Client) -> Result<AccessTokenDraft, TokenError> {
        let granted = RolesAndScopes::of_client(client);
        self.draft(client, AccessTokenSubject::Client, granted, ExpiresIn::Remaining)
    }

    /// Drafts an access token for `user` acting through `client`, with the groups asserted for the session.
    pub(crate) async fn for_user(
        &self,
        client: &Client,
        user: CallingUser,
        asserted: &AssertedGroups,
    ) -> Result<AccessTokenDraft, TokenError> {
        let identity = self.identities.find(&user.id).await?.ok_or(TokenError::UserNotFound)?;
        let names: Vec<String> = identity.groups.iter().chain(&asserted.names).cloned().collect();
        let groups = if names.is_empty() {
            Vec::new()
        } else {
            self.groups.find(&names).await?
        };
        let granted = RolesAndScopes::of_user(client, &identity, &groups, asserted, user.business.as_ref())
            .map_err(|_| TokenError::BusinessNotLinked)?;
        let CallingUser {
            id,
            business,
            session,
            epoch,
            sessions_version,
        } = user;
        let subject = AccessTokenSubject::User {
            id,
            business,
            session,
            epoch,
            sessions_version,
        };
        self.draft(client, subject, granted, ExpiresIn::Absolute)
    }

    /// Drafts a token. `default` is the form of the expiry if the client is not registered for one.
    ///
    /// Times are truncated to whole seconds, as in the claims.
    fn draft(
        &self,
        client: &Client,
        subject: AccessTokenSubject,
        granted: RolesAndScopes,
        default: ExpiresIn,
    ) -> Result<AccessTokenDraft, TokenError> {
        if !granted.fits() {
            let (client, roles) = (client.id.as_str(), granted.roles.len());
            tracing::error!(
                client,
                ?subject,
                roles,
                "the roles of a token exceed 4 KiB, so it is not issued"
            );
            return Err(TokenError::ClientNotUsable);
        }
        let issued_at = Timestamp::from_second(self.clock.now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH);
        let lifetime = client.access_token_lifetime.unwrap_or(self.access_token_lifetime);
        let token = AccessToken {
            id: domain::hex::encode(&self.randomness.object_id()),
            client: client.id.clone(),
            client_epoch: client.epoch,
            subject,
            roles: granted.roles,
            scopes: granted.scopes,
            issued_at,
            expires_at: time::after(issued_at, lifetime),
        };
        Ok(AccessTokenDraft {
            token,
            expires_in: client.expires_in.unwrap_or(default),
        })
    }
}

/// Signs the token and builds the answer.
pub(crate) fn issue(
    AccessTokenDraft { token, expires_in }: AccessTokenDraft,
    refresh_token: Option<String>,
    signer: &Signer<'_>,
) -> Result<IssuedTokens, UseCaseError> {
    let access_token = signer.sign(&token)?;
    let (user, session) = match token.subject {
        AccessTokenSubject::Client => (None, None),
        AccessTokenSubject::User { id, session, .. } => (Some(id), session),
    };
    Ok(IssuedTokens {
        user,
        session,
        access_token,
        refresh_token,
        issued_at: token.issued_at,
        expires_at: token.expires_at,
        expires_in,
        scopes: token.scopes,
    })
}

/// Returns the user of a token that is about to be issued under this epoch and sessions version, without a session.
pub(crate) fn calling_user(
    id: UserId,
    business: Option<BusinessId>,
    (epoch, sessions_version): (u64, u64),
) -> CallingUser {
    CallingUser {
        id,
        business,
        session: None,
        epoch,
        sessions_version,
    }
}
