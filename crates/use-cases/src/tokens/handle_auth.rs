use std::net::IpAddr;
use std::sync::Arc;

use domain::caller::Call;
use domain::client::Client;
use domain::contact::{ContactType, Email};
use domain::group::AssertedGroups;
use domain::identity::{BusinessLink, Identity, MainContact};
use domain::ids::{BusinessId, ClientId, ContactId, UserId};
use ports::{Clients, Groups, Identities, IdentitySaveOutcome, LockStatuses, Randomness};

use super::mint_gate::{Minted, UserSubject};
use super::validation_token_issuer::{IssuedValidationToken, NewValidationToken, ValidationTokenIssuer};
use super::{TokenError, TokensPorts, TokensSettings};
use crate::UseCaseError;

/// How often a user made by another at the same moment is looked for.
const ATTEMPTS: usize = 5;

/// What a SAML integration says of a user it has verified.
#[derive(Debug, Clone)]
pub struct HandleAuthRequest {
    pub target_client: ClientId,
    pub email: Email,
    pub groups: Vec<String>,
    pub full_name: Option<String>,
    pub business: Option<BusinessId>,
    pub ip: Option<IpAddr>,
}

/// Hands a user over from a SAML integration to an application.
pub struct HandleAuth {
    directory: Directory,
    lock_statuses: Arc<dyn LockStatuses>,
    validation_tokens: Arc<ValidationTokenIssuer>,
}

/// Finds the target, the user and the groups, and makes the user where the target asks for it.
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
        Self {
            directory: Directory {
                clients: ports.clients.clone(),
                identities: ports.identities.clone(),
                groups: ports.groups.clone(),
                randomness: ports.randomness.clone(),
                default_roles: settings.saml_default_roles.clone(),
            },
            lock_statuses: ports.lock_statuses.clone(),
            validation_tokens,
        }
    }

    /// Judged in this order: target client, user, lock, business, groups.
    pub async fn run(
        &self,
        call: &Call,
        request: HandleAuthRequest,
    ) -> Result<Minted<IssuedValidationToken>, TokenError> {
        let target = self.directory.target(&request.target_client).await?;
        let groups = self
            .directory
            .admitted_groups(&call.client, &target, &request.groups)
            .await;
        let known = self
            .directory
            .identities
            .find_by_login(&request.email.comparison_key())
            .await?;
        let (identity, groups) = match known {
            Some(identity) => (identity, groups),
            None if target.creates_users => {
                let groups = groups?;
                (self.directory.make_user(&request).await?, Ok(groups))
            }
            None => return Err(TokenError::UserNotFound),
        };
        let epoch = self.epoch_of(&identity).await?;
        if request
            .business
            .as_ref()
            .is_some_and(|business| identity.business(business).is_none())
        {
            return Err(TokenError::BusinessNotLinked);
        }
        let groups = groups?;
        let subject = UserSubject {
            id: identity.id,
            epoch,
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

    /// Read before the write of this path; a lock in between is found by the look after it.
    async fn epoch_of(&self, identity: &Identity) -> Result<u64, TokenError> {
        let lock_status = self.lock_statuses.read_linearizable(&identity.id).await?;
        if lock_status.is_locked {
            Err(TokenError::CredentialLocked)
        } else {
            Ok(lock_status.epoch)
        }
    }
}

impl Directory {
    async fn target(&self, id: &ClientId) -> Result<Client, TokenError> {
        let usable = |client: &Client| client.is_enabled && client.accepts_saml;
        self.clients
            .find(id)
            .await?
            .filter(usable)
            .ok_or(TokenError::ClientNotUsable)
    }

    /// The groups that the calling client may assert. Others and unknown ones are left out, unless the target requires
    /// known groups.
    async fn admitted_groups(
        &self,
        origin: &ClientId,
        target: &Client,
        names: &[String],
    ) -> Result<AssertedGroups, TokenError> {
        if names.is_empty() {
            return Ok(AssertedGroups::default());
        }
        let origin = self.clients.find(origin).await?;
        let may_assert = origin.map(|origin| origin.may_assert).unwrap_or_default();
        let known = if may_assert.is_empty() {
            Vec::new()
        } else {
            self.groups.find(names).await?
        };
        let admitted = AssertedGroups::admitted(names, &known, &may_assert);
        let is_admitted = |name| admitted.names.contains(name);
        if target.requires_known_groups && !names.iter().all(is_admitted) {
            return Err(TokenError::GroupNotKnown);
        }
        Ok(admitted)
    }

    /// Makes the user from the hand-off; of two at once one makes it and the other finds it.
    async fn make_user(&self, request: &HandleAuthRequest) -> Result<Identity, TokenError> {
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
        for _ in 0..ATTEMPTS {
            let saving = self.identities.create(&identity).await?;
            if saving == IdentitySaveOutcome::Saved {
                return Ok(identity);
            }
            if let Some(other) = self.identities.find_by_login(&request.email.comparison_key()).await? {
                return Ok(other);
            }
            // Whoever reserved the login has not written its user yet, or died before: it is finished under that id.
            if let IdentitySaveOutcome::LoginTaken { by } = saving {
                identity.id = by;
            }
        }
        Err(UseCaseError::Contended.into())
    }
}
