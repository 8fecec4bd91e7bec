use std::path::PathBuf;
use std::sync::Arc;

use adapter_crypto::{KeyRing, TokenProfile, read_secret};
use adapter_delivery::DeliverySettings;
use ports::{EventLog, Runtime, Stores};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_runtime::{CommandError, Loaded};
use zeroize::Zeroizing;

use crate::keys::Keys;
use crate::settings;

/// The secrets of a file: the first is the one in use.
pub(crate) type SecretKeys = Vec<Zeroizing<[u8; 32]>>;

/// The source of the secrets of a process.
#[derive(Debug, Clone)]
pub enum Secrets {
    /// Files that the settings name.
    Files,
    /// Files in this folder, which are created when they do not exist.
    Generated(PathBuf),
}

/// The parts that the wiring of each context uses.
pub struct Wiring {
    /// The stores, with a cache in front of the clients.
    pub stores: Stores,
    pub runtime: Runtime,
    pub profile: TokenProfile,
    /// All settings. A context reads its own sections.
    pub settings: Loaded,
    /// The event log of the process, if it has one.
    pub event_log: Option<Arc<dyn EventLog>>,
    pub(crate) keys: Keys,
    pub(crate) secrets: Secrets,
    /// The file for the codes of contact types that have no server.
    pub(crate) outgoing_codes: Option<PathBuf>,
}

impl Wiring {
    /// Returns the signing keys. Fails if the process has a remote key set, or if no key may sign yet.
    pub(crate) fn signing_keys(&self) -> Result<Arc<KeyRing>, CommandError> {
        let ring = self.keys.signing.clone();
        let ring = ring.filter(|ring| ring.signing_key(self.runtime.clock.now()).is_some());
        let none =
            "`keys.directory` contains no key that may sign now: `authme keys list` shows when each key starts to sign";
        ring.ok_or_else(|| CommandError::msg(none))
    }

    /// Reads the secrets of this name. `file` returns the path that a section of the settings has for them. `failure` is
    /// the message of the error if they cannot be read there.
    pub(crate) fn secrets<S>(
        &self,
        name: &str,
        file: fn(S) -> PathBuf,
        failure: &'static str,
    ) -> Result<SecretKeys, CommandError>
    where
        S: Default + DeserializeOwned + JsonSchema + Serialize,
    {
        match &self.secrets {
            Secrets::Files => {
                let section = self.settings.read::<S>();
                let section = section.map_err(CommandError::context("the settings are invalid"))?;
                read_secret(&file(section)).map_err(CommandError::context(failure))
            }
            Secrets::Generated(folder) => {
                let secrets = adapter_crypto::read_or_create_secret(&folder.join(name).with_extension("key"));
                secrets.map_err(CommandError::context("a generated secret cannot be read"))
            }
        }
    }

    /// Returns how codes are delivered.
    pub(crate) fn delivery(&self) -> Result<DeliverySettings, CommandError> {
        settings::delivery(&self.settings, self.outgoing_codes.clone())
    }
}
