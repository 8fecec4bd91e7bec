use std::sync::Arc;
use std::time::Duration;

use domain::caller::CallingUser;
use domain::client::{Client, ExpiresIn};
use domain::group::AssertedGroups;
use domain::ids::{BusinessId, ClientId, FamilyId, UserId};
use domain::time::{self, Timestamp};
use domain::tokens::{AccessToken, AccessTokenSubject, RolesAndScopes};
use ports::{Clients, Clock, Groups, Identities, Randomness};

use super::{TokenError, TokensPorts, TokensSettings};
use crate::UseCaseError;

use super::mint_gate::Signer;

/// Tokens as a caller gets them.
#[derive(Debug)]
pub struct IssuedTokens {
    pub access_token: String,
    /// Wire form.
    pub refresh_token: Option<String>,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    /// How the answer tells when the access token ends.
    pub expires_in: ExpiresIn,
    pub scopes: Vec<String>,
    /// Whose they are; `None` for a client on its own.
    pub user: Option<UserId>,
    /// The session they belong to.
    pub session: Option<FamilyId>,
}

/// An access token that is ready to be signed, and how its answer tells when it ends.
pub(super) struct AccessTokenDraft {
    token: AccessToken,
    expires_in: ExpiresIn,
}

impl AccessTokenDraft {
    /// The token, dead by `end` where there is one.
    pub(super) fn ending_by(mut self, end: Option<Timestamp>) -> Self {
        self.token = self.token.ending_by(end);
        self
    }
}

/// Reads what decides roles and scopes, afresh each time.
pub(super) struct AccessTokenFactory {
    clients: Arc<dyn Clients>,
    identities: Arc<dyn Identities>,
    groups: Arc<dyn Groups>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    access_token_lifetime: Duration,
}

impl AccessTokenFactory {
    pub(super) fn new(ports: &TokensPorts, settings: &TokensSettings) -> Self {
        Self {
            clients: ports.clients.clone(),
            identities: ports.identities.clone(),
            groups: ports.groups.clone(),
            clock: ports.clock.clone(),
            randomness: ports.randomness.clone(),
            access_token_lifetime: settings.access_token_lifetime,
        }
    }

    /// The client, when it is registered and not disabled.
    pub(super) async fn enabled_client(&self, id: &ClientId) -> Result<Client, TokenError> {
        self.clients
            .find(id)
            .await?
            .filter(|client| client.is_enabled)
            .ok_or(TokenError::ClientNotUsable)
    }

    /// Whether a client, disabled or not, is known by `name`.
    pub(super) async fn is_known_as(&self, id: &ClientId, name: &ClientId) -> Result<bool, TokenError> {
        Ok(self
            .clients
            .find(id)
            .await?
            .is_some_and(|client| client.is_known_as(name)))
    }

    /// An access token for a client on its own. Its answer tells its life in seconds, as every library reads it.
    pub(super) fn for_client(&self, client: &Client) -> Result<AccessTokenDraft, TokenError> {
        let grant = RolesAndScopes::of_client(client);
        self.draft(client, AccessTokenSubject::Client, grant, ExpiresIn::Seconds)
    }

    /// An access token for `user` acting through `client`, with the groups asserted for the session.
    pub(super) async fn for_user(
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
        let grant = RolesAndScopes::of_user(client, &identity, &groups, asserted, user.business.as_ref())
            .map_err(|_| TokenError::BusinessNotLinked)?;
        let CallingUser {
            id,
            business,
            session,
            epoch,
        } = user;
        let subject = AccessTokenSubject::User {
            id,
            business,
            session,
            epoch,
        };
        self.draft(client, subject, grant, ExpiresIn::Absolute)
    }

    /// `usual` is what the operation says where the client is not registered for one form.
    fn draft(
        &self,
        client: &Client,
        subject: AccessTokenSubject,
        grant: RolesAndScopes,
        usual: ExpiresIn,
    ) -> Result<AccessTokenDraft, TokenError> {
        if !grant.fits() {
            let (client, roles) = (client.id.as_str(), grant.roles.len());
            tracing::error!(
                client,
                ?subject,
                roles,
                "the roles of a token are more than 4 KiB, so none is made"
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
            roles: grant.roles,
            scopes: grant.scopes,
            issued_at,
            expires_at: time::after(issued_at, lifetime),
        };
        Ok(AccessTokenDraft {
            token,
            expires_in: client.expires_in.unwrap_or(usual),
        })
    }
}

/// Signs `token` and puts the answer together.
pub(super) fn issue(
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

/// The user of a token that is about to be made.
pub(super) fn user(id: UserId, business: Option<BusinessId>, epoch: u64) -> CallingUser {
    CallingUser {
        id,
        business,
        session: None,
        epoch,
    }
}
