use std::sync::Arc;

use domain::caller::bare_role;
use domain::names::{KnownName, NameKind};
use domain::registration::{Additions, Known, UnknownNameError};
use ports::{Groups, KnownNames, StoreError};
use tokio::sync::OnceCell;

use super::{OperatorStores, PAGE_SIZE};
use crate::CommandError;

/// The role, scope and group names that registrations may use. They are read from the store once per command, and only
/// if a registration uses a name that AuthMe does not define itself.
#[derive(Clone)]
pub(crate) struct Registry {
    known_names: Arc<dyn KnownNames>,
    groups: Arc<dyn Groups>,
    known: Arc<OnceCell<Known>>,
}

/// The error of [`Registry::check`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error(transparent)]
    UnknownName(#[from] UnknownNameError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RegistryError> for CommandError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::UnknownName(error) => Self::msg(error.to_string()),
            RegistryError::Store(error) => error.into(),
        }
    }
}

impl Registry {
    pub(crate) fn new(stores: &OperatorStores) -> Self {
        Self {
            known_names: stores.known_names.clone(),
            groups: stores.groups.clone(),
            known: Arc::default(),
        }
    }

    /// Checks what a registration adds. Fails for an unknown name, and for a role in the wrong place, such as a role of
    /// clients with a user.
    pub(crate) async fn check(&self, additions: &Additions) -> Result<(), RegistryError> {
        if additions.are_defined() {
            return Ok(additions.check(&Known::default())?);
        }
        let known = self.known.get_or_try_init(|| self.read()).await?;
        Ok(additions.check(known)?)
    }

    /// Reads the names that operators added, and the names and roles of the groups.
    pub(crate) async fn read(&self) -> Result<Known, StoreError> {
        let mut known = Known::default();
        for name in self.added_names().await? {
            let names = match name.kind {
                NameKind::Role => &mut known.roles,
                NameKind::Scope => &mut known.scopes,
            };
            names.insert(name.as_str().to_owned());
        }
        let mut after: Option<String> = None;
        loop {
            let page = self.groups.page(after.as_deref(), PAGE_SIZE).await?;
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

    /// Reads the names that operators added with `role add` and `scope add`.
    pub(crate) async fn added_names(&self) -> Result<Vec<KnownName>, StoreError> {
        let mut names: Vec<KnownName> = Vec::new();
        loop {
            let page = self.known_names.page(names.last(), PAGE_SIZE).await?;
            if page.is_empty() {
                return Ok(names);
            }
            names.extend(page);
        }
    }
}
