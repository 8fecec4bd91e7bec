use std::sync::Arc;

use domain::caller::{Caller, bare_role};
use domain::client::Client;
use domain::ids::UserId;
use domain::names::is_administrator;
use domain::permission::{MissingPermissions, Requirement, TokenCheck, missing_permissions, permits};
use domain::sessions::administrator_roles;
use ports::{Clock, Groups, StoreError, Stores};

use crate::sessions::{ActiveCheck, ActiveCheckError, ActiveUser, InactiveReason};

/// The reason why a caller may not call an operation.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    #[error("the caller is not permitted: {0}")]
    NotPermitted(MissingPermissions),
    #[error("the caller's token is not active")]
    Inactive(#[source] InactiveReason),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ActiveCheckError> for AdmissionError {
    fn from(error: ActiveCheckError) -> Self {
        match error {
            ActiveCheckError::Inactive(reason) => Self::Inactive(reason),
            ActiveCheckError::Store(error) => Self::Store(error),
        }
    }
}

/// The roles, scopes and token check that an operation requires of its caller.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    pub requirement: Requirement,
    pub check: TokenCheck,
}

/// Decides whether a caller with a verified token may call an operation. Every operation with a bearer token runs it.
///
/// 1. The roles and scopes of the token must meet the requirement. Nothing is read for this.
/// 2. The token must be active, to the extent that the operation requires ([`TokenCheck`]).
/// 3. If the requirement is met only with an administrator role, the user must hold that role at this moment: it may
///    have been withdrawn after the token was issued.
#[derive(Clone)]
pub struct AdmitCaller {
    active_check: ActiveCheck,
    groups: Arc<dyn Groups>,
}

fn require(requirement: Requirement, caller: &Caller, about: Option<&UserId>) -> Result<(), AdmissionError> {
    if permits(requirement, caller, about) {
        Ok(())
    } else {
        Err(AdmissionError::NotPermitted(missing_permissions(
            requirement,
            caller,
            about,
        )))
    }
}

impl AdmitCaller {
    pub fn new(stores: &Stores, clock: Arc<dyn Clock>) -> Self {
        Self {
            groups: stores.groups.clone(),
            active_check: ActiveCheck::new(stores, clock),
        }
    }

    /// Admits the caller, or returns the reason for the rejection. `about` is the user that the request names, if any.
    #[tracing::instrument(
        level = "debug",
        name = "admit_caller",
        skip_all,
        fields(client = caller.client.as_str(), user = caller.user_id().map(UserId::as_str))
    )]
    pub async fn run(
        &self,
        caller: &Caller,
        admission: Admission,
        about: Option<&UserId>,
    ) -> Result<(), AdmissionError> {
        require(admission.requirement, caller, about)?;
        match admission.check {
            TokenCheck::TokenOnly => Ok(()),
            TokenCheck::ByGate => Ok(self.active_check.check_client(caller).await.map(drop)?),
            TokenCheck::Checked => {
                let (client, user) = self.active_check.check_caller(caller).await?;
                if !caller.roles.iter().any(|role| is_administrator(role)) {
                    return Ok(());
                }
                let mut current = caller.clone();
                current.roles.retain(|role| !is_administrator(role));
                if permits(admission.requirement, &current, about) {
                    return Ok(());
                }
                let held = self.administrator_roles(&client, user.as_ref()).await?;
                let is_held = |role: &&String| held.iter().any(|held| bare_role(held) == bare_role(role));
                let still_held = caller.roles.iter().filter(is_held);
                current.roles.extend(still_held.cloned());
                require(admission.requirement, &current, about)
            }
        }
    }

    /// Returns the administrator roles that a user holds at this moment: from the identity, from its groups, and from
    /// the groups asserted for the session.
    async fn administrator_roles(&self, client: &Client, user: Option<&ActiveUser>) -> Result<Vec<String>, StoreError> {
        let Some(ActiveUser { identity, session, .. }) = user else {
            return Ok(Vec::new());
        };
        let asserted = session.as_ref().map(|session| session.origin.asserted_groups());
        let asserted = asserted.unwrap_or_default();
        let names: Vec<String> = identity
            .groups
            .iter()
            .chain(&asserted.administrative)
            .cloned()
            .collect();
        let groups = if names.is_empty() {
            Vec::new()
        } else {
            self.groups.find(&names).await?
        };
        Ok(administrator_roles(client, identity, &groups, &asserted))
    }
}
