use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use adapter_sqlite::EmbeddedStore;
use clap::Args;
use ports::{Clients, Clock as _, Groups, Identities, KnownNames, StoreUpkeep, Stores};
use service_runtime::{AuditLog, SystemClock};
use use_cases::EraseRemovedUsers;

use super::audited::{AuditedStore, CommandAudit};
use crate::serve::audit_log;
use service_assembly::{CONTEXTS, Context, DataFolder};

use crate::CommandError;

/// The data folder or the deployed store of a command.
#[derive(Debug, Args)]
pub(crate) struct TargetArguments {
    /// Data folder: the store, the keys and the secrets. Commands that write create it if it does not exist
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
    /// The store that the command has opened, to be closed at its end.
    opened: OnceLock<Arc<dyn StoreUpkeep>>,
}

/// The access of a command to its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It changes nothing, so it does not create a data folder either.
    Read,
    Write,
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
            opened: OnceLock::new(),
        }
    }
}

impl CommandTarget {
    /// Returns the data folder. It holds the keys even if there is a deployed store.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Fails if a deployed store is given, for a command that works on a data folder only.
    pub(crate) fn require_folder(&self) -> Result<(), CommandError> {
        if self.deployed.is_some() {
            return Err(CommandError::msg(
                "this command works on a data folder only: remove --mongodb-uri or unset AUTHME_MONGODB_URI",
            ));
        }
        Ok(())
    }

    /// Returns whether the command works on a deployed store.
    pub(crate) fn is_deployed(&self) -> bool {
        self.deployed.is_some()
    }

    /// Opens the data folder. A command that writes creates a missing one, and says so.
    pub(crate) fn data(&self, access: Access) -> Result<DataFolder, CommandError> {
        let data = match access {
            Access::Read => DataFolder::open(&self.folder)?,
            Access::Write => DataFolder::open_or_create(&self.folder, SystemClock.now())?,
        };
        announce_new(&data);
        Ok(data)
    }

    /// Opens the store of the data folder.
    pub(crate) fn embedded(&self, access: Access) -> Result<EmbeddedStore, CommandError> {
        let store = self.data(access)?.store(1)?;
        let _ = self.opened.set(store.stores.upkeep.clone());
        Ok(store)
    }

    /// Opens the deployed store if one is given, and the store of the data folder otherwise. Writes are not audited.
    pub(crate) async fn unaudited_stores(&self, access: Access) -> Result<Stores, CommandError> {
        let Some(deployed) = &self.deployed else {
            return Ok(self.embedded(access)?.stores);
        };
        let stores = deployed.stores().await?;
        let _ = self.opened.set(stores.upkeep.clone());
        Ok(stores)
    }

    /// Opens the stores like [`unaudited_stores`](Self::unaudited_stores). All writes are audited.
    pub(crate) async fn stores(&self, access: Access) -> Result<OperatorStores, CommandError> {
        self.audited(self.unaudited_stores(access).await?)
    }

    /// Wraps opened stores, so that all writes are audited.
    pub(crate) fn audited(&self, stores: Stores) -> Result<OperatorStores, CommandError> {
        let stores = OperatorStores::of(stores);
        let audit = self.audit()?;
        Ok(OperatorStores {
            clients: AuditedStore::new(stores.clients, &audit),
            identities: AuditedStore::new(stores.identities, &audit),
            groups: AuditedStore::new(stores.groups, &audit),
            known_names: AuditedStore::new(stores.known_names, &audit),
            erase_removed_users: stores.erase_removed_users,
        })
    }

    /// Closes the store that the command has opened. All data is in the main file of an embedded store afterwards.
    pub(crate) async fn close(&self) {
        if let Some(upkeep) = self.opened.get() {
            upkeep.close().await;
        }
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
        let log = audit_log(&DataFolder::unchecked(&self.folder))?;
        Ok(CommandAudit::new(log, &self.command))
    }
}

/// Says that a folder was created: a mistyped `--data` would otherwise go unnoticed.
pub(crate) fn announce_new(data: &DataFolder) {
    if data.is_new() {
        eprintln!("created the data folder {}", data.path().display());
    }
}

#[cfg(feature = "mongodb")]
impl Deployed {
    /// The maximum number of connections of one command. An import stores up to 128 users in parallel; more connections would compete with
    /// the services for the store.
    const CONNECTIONS: u32 = 16;
    /// The time limit of a store call. A command has no deadline like a request, and should survive an election.
    const CALL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

    async fn stores(&self) -> Result<Stores, CommandError> {
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
        opened.map_err(CommandError::context("the deployed store cannot be opened"))
    }
}

#[cfg(not(feature = "mongodb"))]
impl Deployed {
    #[expect(clippy::unused_async, reason = "the implementation of the feature mongodb awaits")]
    async fn stores(&self) -> Result<Stores, CommandError> {
        Err(CommandError::msg(format!(
            "this authme was built without the feature `mongodb`, so it cannot open the deployed store `{}`",
            self.database
        )))
    }
}
