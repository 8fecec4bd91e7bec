use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use ports::{Clients, Groups, Identities, KnownNames, Stores};
use service_runtime::AuditLog;
use use_cases::EraseRemovedUsers;

use super::audited::{AuditedStore, CommandAudit};
use crate::serve::audit_log;
use service_assembly::{CONTEXTS, Context, DataFolder};

use crate::CommandError;

/// The data folder or the deployed store of a command.
#[derive(Debug, Args)]
pub(crate) struct TargetArguments {
    /// Data folder: the store, the keys and the secrets. Created if it does not exist
    #[arg(
        long,
        global = true,
        env = "AUTHME_DATA",
        default_value = "./authme-data",
        value_name = "DIR"
    )]
    data: PathBuf,
    /// Deployed store for the commands on clients, users, groups, roles and scopes, in place of the data folder.
    /// Use the variable to keep its password out of the list of processes
    #[arg(
        long,
        global = true,
        env = "AUTHME_MONGODB_URI",
        hide_env_values = true,
        value_name = "URI"
    )]
    mongodb_uri: Option<String>,
    /// Database of the deployed store
    #[arg(
        long,
        global = true,
        env = "AUTHME_MONGODB_DATABASE",
        default_value = "authme",
        value_name = "NAME"
    )]
    mongodb_database: String,
    /// Accept a deployed store on another machine without TLS, or with TLS that does not verify
    /// certificates
    #[arg(long, global = true, env = "AUTHME_MONGODB_ALLOW_INSECURE")]
    mongodb_allow_insecure: bool,
}

/// The data folder that a command works on, or a deployed store and the folder with its keys.
pub(crate) struct CommandTarget {
    /// The name of the command in the audit trail, such as `client set`.
    command: String,
    folder: PathBuf,
    deployed: Option<Deployed>,
}

struct Deployed {
    #[cfg_attr(
        not(feature = "mongodb"),
        expect(dead_code, reason = "read by the feature mongodb only")
    )]
    uri: String,
    database: String,
    #[cfg_attr(
        not(feature = "mongodb"),
        expect(dead_code, reason = "read by the feature mongodb only")
    )]
    allow_insecure: bool,
}

/// The stores that an operator's commands change.
pub(crate) struct OperatorStores {
    pub(crate) clients: Arc<dyn Clients>,
    pub(crate) identities: Arc<dyn Identities>,
    pub(crate) groups: Arc<dyn Groups>,
    pub(crate) known_names: Arc<dyn KnownNames>,
    /// Erases what is stored of removed users. The services do the same every second.
    pub(crate) erase_removed_users: EraseRemovedUsers,
}

impl OperatorStores {
    fn of(stores: Stores) -> Self {
        Self {
            erase_removed_users: Context::erase_removed_users(CONTEXTS, &stores),
            clients: stores.clients,
            identities: stores.identities,
            groups: stores.groups,
            known_names: stores.known_names,
        }
    }
}

impl CommandTarget {
    /// Creates the target of the named command.
    pub(crate) fn new(arguments: TargetArguments, command: String) -> Self {
        let deployed = |uri| Deployed {
            uri,
            database: arguments.mongodb_database,
            allow_insecure: arguments.mongodb_allow_insecure,
        };
        Self {
            command,
            folder: arguments.data,
            deployed: arguments.mongodb_uri.map(deployed),
        }
    }
}

impl CommandTarget {
    /// Returns the data folder. It holds the keys even if there is a deployed store.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the data folder for a command that cannot use a deployed store. Fails if one is given.
    pub(crate) fn folder_only(&self) -> Result<&Path, CommandError> {
        if self.deployed.is_some() {
            return Err(CommandError::msg(
                "this command works on a data folder only: remove --mongodb-uri or unset AUTHME_MONGODB_URI",
            ));
        }
        Ok(&self.folder)
    }

    /// Opens the deployed store if one is given, and the store of the data folder otherwise. All writes are audited.
    pub(crate) async fn stores(&self) -> Result<OperatorStores, CommandError> {
        let stores = if let Some(deployed) = &self.deployed {
            deployed.stores().await?
        } else {
            OperatorStores::of(DataFolder::open(&self.folder)?.store(1)?.stores)
        };
        let audit = self.audit()?;
        Ok(OperatorStores {
            clients: AuditedStore::new(stores.clients, &audit),
            identities: AuditedStore::new(stores.identities, &audit),
            groups: AuditedStore::new(stores.groups, &audit),
            known_names: AuditedStore::new(stores.known_names, &audit),
            erase_removed_users: stores.erase_removed_users,
        })
    }

    /// Opens the audit trail: the log stream for a deployed store, the file in the data folder otherwise.
    pub(crate) fn audit(&self) -> Result<CommandAudit, CommandError> {
        match &self.deployed {
            Some(_) => Ok(CommandAudit::new(AuditLog::on_stderr(), &self.command)),
            None => self.audit_of_folder(),
        }
    }

    /// Opens the audit trail of the data folder.
    pub(crate) fn audit_of_folder(&self) -> Result<CommandAudit, CommandError> {
        let log = audit_log(&DataFolder::open(&self.folder)?)?;
        Ok(CommandAudit::new(log, &self.command))
    }
}

#[cfg(feature = "mongodb")]
impl Deployed {
    /// The maximum number of connections of one command. An import stores up to 128 users in parallel; more connections would compete with
    /// the services for the store.
    const CONNECTIONS: u32 = 16;
    /// The time limit of a store call. A command has no deadline like a request, and should survive an election.
    const CALL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

    async fn stores(&self) -> Result<OperatorStores, CommandError> {
        if let Some(key) = adapter_mongodb::certificate_key_file(&self.uri) {
            let checked = adapter_crypto::require_private(&key);
            checked.map_err(CommandError::context(
                "`tlsCertificateKeyFile` of MongoDB cannot be used",
            ))?;
        }
        let settings = adapter_mongodb::MongodbSettings {
            call_timeout: Self::CALL_TIMEOUT,
            allow_insecure: self.allow_insecure,
            ..adapter_mongodb::MongodbSettings::new(&self.uri, &self.database, Self::CONNECTIONS)
        };
        let opened = adapter_mongodb::open(&settings).await;
        let stores = opened.map_err(CommandError::context("the deployed store cannot be opened"))?;
        Ok(OperatorStores::of(stores))
    }
}

#[cfg(not(feature = "mongodb"))]
impl Deployed {
    #[expect(clippy::unused_async, reason = "the implementation of the feature mongodb awaits")]
    async fn stores(&self) -> Result<OperatorStores, CommandError> {
        Err(CommandError::msg(format!(
            "this authme was built without the feature `mongodb`, so it cannot open the deployed store `{}`",
            self.database
        )))
    }
}
