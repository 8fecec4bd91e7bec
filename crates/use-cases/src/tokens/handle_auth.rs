use std::net::IpAddr;
use std::sync::Arc;

use domain::caller::Call;
use domain::client::Client;
use domain::contact::{ContactType, Email};
use domain::group::AssertedGroups;
use domain::identity::{BusinessLink, Identity, MainContact};
use domain::ids::{BusinessId, ClientId, ContactId, UserId};
use domain::tokens::Assertion;
use futures_util::future::join;
use ports::sessions::SignInStatuses;
use ports::{Clients, Groups, Identities, IdentitySaveOutcome, LockStatuses, Randomness};

use super::assertion_guard::AssertionGuard;
use super::validation_token_issuer::{IssuedValidationToken, NewValidationToken, ValidationTokenIssuer};
use super::{TokensPorts, TokensSettings};
use crate::UseCaseError;
use crate::sessions::{Minted, TokenError, UserSubject};

/// The number of times that the creation of a user is tried before it fails with 503. Each failure means that another
/// request reserved the login. The second attempt normally finds or completes that user; the others leave room for
/// further races.
const MAX_CREATE_ATTEMPTS: usize = 5;

/// A user whom a SAML integration has authenticated.
#[derive(Debug, Clone)]
pub struct HandleAuthRequest {
    pub target_client: ClientId,
    pub email: Email,
    pub groups: Vec<String>,
    pub full_name: Option<String>,
    pub business: Option<BusinessId>,
    pub ip: Option<IpAddr>,
    pub assertion: Assertion,
}

/// Issues a validation token after a SAML login, with which the target application gets the user's tokens.
pub struct HandleAuth {
    directory: Directory,
    lock_statuses: Arc<dyn LockStatuses>,
    sign_in_statuses: Arc<dyn SignInStatuses>,
    validation_tokens: Arc<ValidationTokenIssuer>,
    assertions: AssertionGuard,
}

/// Reads the target client, the user and the groups, and creates the user where the target client is set up for it.
struct Directory {
    clients: Arc<dyn Clients>,
    identities: Arc<dyn Identities>,
    groups: Arc<dyn Groups>,
    randomness: Arc<dyn Randomness>,
    default_roles: Vec<String>,
}

impl HandleAuth {
    pub(super) fn new(
        ports: &TokensPorts,
        settings: &TokensSettings,
        validation_tokens: Arc<ValidationTokenIssuer>,
    ) -> Self {
        let stores = &ports.stores;
        Self {
            directory: Directory {
                clients: stores.clients.clone(),
                identities: stores.identities.clone(),
                groups: stores.groups.clone(),
                randomness: ports.runtime.randomness.clone(),
                default_roles: settings.saml_default_roles.clone(),
            },
            lock_statuses: stores.lock_statuses.clone(),
            sign_in_statuses: stores.sign_in_statuses.clone(),
            validation_tokens,
            assertions: AssertionGuard::new(ports),
        }
    }

    /// Issues the validation token. Errors are reported in this order: end of the assertion, target client, user, lock,
    /// business, groups, used assertion.
    ///
    /// The assertion is marked as used last, so that a rejected request does not spend it, and before the validation
    /// token is written, so that it never gets two. If the answer is lost after that, the user logs in again: only the
    /// hash of the validation token is stored, and a retry cannot be distinguished from a replay of the assertion.
    #[tracing::instrument(
        level = "debug",
        name = "handle_auth",
        skip_all,
        fields(client = call.client.as_str(), user = tracing::field::Empty)
    )]
    pub async fn run(
        &self,
        call: &Call,
        request: HandleAuthRequest,
    ) -> Result<Minted<IssuedValidationToken>, TokenError> {
        self.assertions
            .check_end(call, &request.target_client, &request.assertion)?;
        let target = self.directory.find_target(&request.target_client).await?;
        let groups = self
            .directory
            .admit_groups(&call.client, &target, &request.groups)
            .await;
        let login = request.email.comparison_key();
        let found = self.directory.identities.find_by_login(&login).await?;
        let (identity, groups) = match found {
            Some(identity) => (identity, groups),
            None if target.creates_users => {
                let groups = groups?;
                (self.directory.create_user(&request).await?, Ok(groups))
            }
            None => return Err(TokenError::UserNotFound),
        };
        tracing::Span::current().record("user", identity.id.as_str());
        let (epoch, sessions_version) = self.read_versions(&identity.id, &login).await?;
        if request
            .business
            .as_ref()
            .is_some_and(|business| identity.business(business).is_none())
        {
            return Err(TokenError::BusinessNotLinked);
        }
        let groups = groups?;
        let used_for = (&request.target_client, &identity.id);
        self.assertions.mark_used(call, used_for, &request.assertion).await?;
        let subject = UserSubject {
            id: identity.id,
            epoch,
            sessions_version,
            family: None,
            ancestors: Vec::new(),
        };
        self.validation_tokens
            .issue(
                call,
                NewValidationToken {
                    subject,
                    target_client: request.target_client,
                    business: request.business,
                    groups,
                    session_expires_at: None,
                    ip: request.ip,
                },
            )
            .await
    }

    /// Returns the epoch and the sessions version of an unlocked user who has this login. They are read before the write of
    /// this path; the mint gate detects a lock or an end of all sessions in between.
    ///
    /// The login is read again after the epoch. Without it: A finds the user `ana` by the login. B removes `ana`, and the
    /// epoch is raised. A reads the raised epoch. B makes `ana` again, for another person. A's validation token would
    /// fit that person.
    async fn read_versions(&self, user: &UserId, login: &str) -> Result<(u64, u64), TokenError> {
        let (lock_status, sign_in) = join(
            self.lock_statuses.read_linearizable(user),
            self.sign_in_statuses.read_linearizable(user),
        )
        .await;
        let lock_status = lock_status?;
        if lock_status.is_locked {
            return Err(TokenError::CredentialLocked);
        }
        let found = self.directory.identities.find(user).await?;
        let has_login = |identity: Identity| identity.logins().iter().any(|own| own == login);
        if found.is_some_and(has_login) {
            Ok((lock_status.epoch, sign_in?.sessions_version))
        } else {
            Err(TokenError::UserNotFound)
        }
    }
}

impl Directory {
    async fn find_target(&self, id: &ClientId) -> Result<Client, TokenError> {
        let is_usable = |client: &Client| client.is_enabled && client.accepts_saml;
        self.clients
            .find(id)
            .await?
            .filter(is_usable)
            .ok_or(TokenError::ClientNotUsable)
    }

    /// Returns the groups that the calling client may assert. Other groups and unknown ones are left out. If the target
    /// requires known groups, they are rejected.
    async fn admit_groups(
        &self,
        origin: &ClientId,
        target: &Client,
        names: &[String],
    ) -> Result<AssertedGroups, TokenError> {
        if names.is_empty() {
            return Ok(AssertedGroups::default());
        }
        let origin = self.clients.find(origin).await?;
        let may_assert = origin.map(|origin| origin.assertable_groups).unwrap_or_default();
        let known = if may_assert.is_empty() {
            Vec::new()
        } else {
            self.groups.find(names).await?
        };
        let admitted = AssertedGroups::admit(names, &known, &may_assert);
        let is_admitted = |name| admitted.names.contains(name);
        if target.requires_known_groups && !names.iter().all(is_admitted) {
            return Err(TokenError::GroupNotKnown);
        }
        Ok(admitted)
    }

    /// Creates the user of a first SAML login. Parallel logins of one person create one user: A reserves the login and
    /// dies before it writes the user. B fails with the id that A reserved it for, and creates the user under that id.
    async fn create_user(&self, request: &HandleAuthRequest) -> Result<Identity, TokenError> {
        let businesses = request
            .business
            .iter()
            .map(|id| BusinessLink {
                id: id.clone(),
                roles: Vec::new(),
            })
            .collect();
        let mut identity = Identity {
            id: UserId::from_random(self.randomness.object_id()),
            name: request.full_name.clone(),
            email: Some(MainContact {
                id: ContactId::from_random(self.randomness.object_id()),
                value: request.email.clone(),
            }),
            mobile: None,
            main_contact_type: ContactType::Email,
            roles: self.default_roles.clone(),
            groups: Vec::new(),
            businesses,
        };
        for _ in 0..MAX_CREATE_ATTEMPTS {
            let saved = self.identities.create(&identity).await?;
            if saved == IdentitySaveOutcome::Saved {
                return Ok(identity);
            }
            if let Some(other) = self.identities.find_by_login(&request.email.comparison_key()).await? {
                return Ok(other);
            }
            identity.id = match saved {
                IdentitySaveOutcome::LoginTaken { by } => by,
                // A removed user stays removed: this one is another.
                _ => UserId::from_random(self.randomness.object_id()),
            };
        }
        Err(UseCaseError::Contended.into())
    }
}
