use std::sync::Arc;

use domain::caller::bare_role;
use domain::names::{KnownName, NameKind};
use domain::registration::{Additions, Known, UnknownNameError};
use ports::{Groups, KnownNames, StoreError};
use tokio::sync::OnceCell;

use super::{OperatorStores, PAGE};
use crate::CommandError;

/// The names that may be used in registrations, read when the first is met that AuthMe itself gives no meaning.
#[derive(Clone)]
pub(crate) struct Registry {
    known_names: Arc<dyn KnownNames>,
    groups: Arc<dyn Groups>,
    known: Arc<OnceCell<Known>>,
}

/// Why nothing was registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error(transparent)]
    Refused(#[from] UnknownNameError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RegistryError> for CommandError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Refused(refused) => Self::msg(refused.to_string()),
            RegistryError::Store(failure) => failure.into(),
        }
    }
}

impl Registry {
    pub(crate) fn of(stores: &OperatorStores) -> Self {
        Self {
            known_names: stores.known_names.clone(),
            groups: stores.groups.clone(),
            known: Arc::default(),
        }
    }

    /// Refuses a registration that adds an unknown name, or a role where it does not belong.
    pub(crate) async fn check(&self, additions: &Additions) -> Result<(), RegistryError> {
        if additions.are_defined() {
            return Ok(additions.check(&Known::default())?);
        }
        let known = self.known.get_or_try_init(|| self.read()).await?;
        Ok(additions.check(known)?)
    }

    /// Every name that is known, roles of groups among them.
    pub(crate) async fn read(&self) -> Result<Known, StoreError> {
        let mut known = Known::default();
        for name in self.made_known().await? {
            let names = match name.kind {
                NameKind::Role => &mut known.roles,
                NameKind::Scope => &mut known.scopes,
            };
            names.insert(name.as_str().to_owned());
        }
        let mut after: Option<String> = None;
        loop {
            let page = self.groups.page(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(known) };
            after = Some(last.name.clone());
            for group in page {
                known
                    .roles
                    .extend(group.roles.iter().map(|role| bare_role(role).to_owned()));
                known.groups.insert(group.name);
            }
        }
    }

    /// The names that an operator made known.
    pub(crate) async fn made_known(&self) -> Result<Vec<KnownName>, StoreError> {
        let mut names: Vec<KnownName> = Vec::new();
        loop {
            let page = self.known_names.page(names.last(), PAGE).await?;
            if page.is_empty() {
                return Ok(names);
            }
            names.extend(page);
        }
    }
}
