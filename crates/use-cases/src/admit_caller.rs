use std::sync::Arc;

use domain::caller::{Caller, bare_role};
use domain::client::Client;
use domain::ids::UserId;
use domain::names::is_administrator;
use domain::permission::{Lacking, Requirement, TokenCheck, lacking, permits};
use domain::tokens::administrator_roles;
use ports::{Groups, StoreError};

use crate::active_check::{ActiveCheck, ActiveCheckError, ActiveCheckPorts, ActiveUser, InactiveReason};

/// Why a caller is not let through to an operation.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    #[error("the caller is not permitted: {0}")]
    NotPermitted(Lacking),
    #[error("the caller's token is not alive")]
    Inactive(#[source] InactiveReason),
    #[error(transparent)]
    Failed(#[from] StoreError),
}

impl From<ActiveCheckError> for AdmissionError {
    fn from(error: ActiveCheckError) -> Self {
        match error {
            ActiveCheckError::Inactive(reason) => Self::Inactive(reason),
            ActiveCheckError::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// What an operation asks of its caller.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    pub requirement: Requirement,
    pub check: TokenCheck,
}

/// Decides whether a caller with a verified token reaches an operation: by its roles and scopes, and by whether its token is
/// alive. An administrator role counts only while its holder has it. Every operation with a bearer token passes here.
#[derive(Clone)]
pub struct AdmitCaller {
    active_check: ActiveCheck,
    groups: Arc<dyn Groups>,
}

/// Holds the caller's roles and scopes against a requirement.
fn check(requirement: Requirement, caller: &Caller, about: Option<&UserId>) -> Result<(), AdmissionError> {
    if permits(requirement, caller, about) {
        Ok(())
    } else {
        Err(AdmissionError::NotPermitted(lacking(requirement, caller, about)))
    }
}

impl AdmitCaller {
    pub fn new(ports: ActiveCheckPorts, groups: Arc<dyn Groups>) -> Self {
        Self {
            groups,
            active_check: ActiveCheck::new(ports),
        }
    }

    /// Lets the caller through or says why not. `about` is the user the request names, where it names one.
    pub async fn run(
        &self,
        caller: &Caller,
        admission: Admission,
        about: Option<&UserId>,
    ) -> Result<(), AdmissionError> {
        check(admission.requirement, caller, about)?;
        match admission.check {
            TokenCheck::TokenOnly => Ok(()),
            TokenCheck::ByGate => Ok(self.active_check.of_client(caller).await.map(drop)?),
            TokenCheck::Checked => {
                let (client, user) = self.active_check.of_caller(caller).await?;
                if !caller.roles.iter().any(|role| is_administrator(role)) {
                    return Ok(());
                }
                let mut now = caller.clone();
                now.roles.retain(|role| !is_administrator(role));
                if permits(admission.requirement, &now, about) {
                    return Ok(());
                }
                let held = self.administrator_roles(&client, user.as_ref()).await?;
                let is_held = |role: &&String| held.iter().any(|held| bare_role(held) == bare_role(role));
                let still_held = caller.roles.iter().filter(is_held);
                now.roles.extend(still_held.cloned());
                check(admission.requirement, &now, about)
            }
        }
    }

    /// Returns the administrator roles that a user holds now: a token may have been issued before one was withdrawn.
    async fn administrator_roles(&self, client: &Client, user: Option<&ActiveUser>) -> Result<Vec<String>, StoreError> {
        let Some(ActiveUser { identity, session }) = user else {
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
