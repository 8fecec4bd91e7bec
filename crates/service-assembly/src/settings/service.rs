use adapter_crypto::{KeyDirectorySettings, RemoteKeySetSettings};
use adapter_http::{HttpSettings, LimitSettings};
use adapter_kafka::KafkaSettings;
use adapter_mongodb::MongodbSettings;
use service_runtime::{Loaded, LogSettings, Program, RelaySettings, Section, SettingsError};

use super::{AcceptedTokenSettings, CODE_SECRET, COMMON, DEPLOYED, HTTP, ISSUER, REFRESH_SECRET, SENDER, VERIFIER};

const CONNECTIONS: &[Section] = &[Section::of::<MongodbSettings>(), Section::of::<KafkaSettings>()];

/// Returns the contexts of the deployed services, each with the sections that its service reads.
pub fn services() -> [(&'static str, Vec<Section>); 3] {
    let sections = |own: &[&[Section]]| [&[HTTP, CONNECTIONS, COMMON, DEPLOYED], own].concat().concat();
    [
        ("tokens", sections(&[ISSUER, REFRESH_SECRET])),
        ("factors", sections(&[VERIFIER, CODE_SECRET, SENDER])),
        ("credential-lock", sections(&[VERIFIER])),
    ]
}

/// Returns the settings that the service of a context knows. It accepts those of the other services, so that one file can
/// configure all of them.
pub fn program(context: &str) -> Program {
    let services = services();
    let own = services.iter().find(|(name, _)| *name == context);
    Program {
        sections: own.map(|(_, sections)| sections.clone()).unwrap_or_default(),
        others: services.iter().flat_map(|(_, sections)| sections.clone()).collect(),
        unlisted: &[],
        accepts_others: true,
        requires_settings: true,
        defaults: "",
    }
}

/// The settings that every deployed service reads.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    pub http: HttpSettings,
    pub limits: LimitSettings,
    pub store: MongodbSettings,
    pub kafka: KafkaSettings,
    pub tokens: AcceptedTokenSettings,
    pub keys: KeyDirectorySettings,
    /// Without a URL in the service `tokens`, which signs and therefore reads only the directory.
    pub key_set: RemoteKeySetSettings,
    pub relay: RelaySettings,
    pub log: LogSettings,
}

impl ServiceSettings {
    /// Reads the sections.
    pub fn read(loaded: &Loaded) -> Result<Self, SettingsError> {
        Ok(Self {
            http: loaded.read()?,
            limits: loaded.read()?,
            store: loaded.read()?,
            kafka: loaded.read()?,
            tokens: loaded.read()?,
            keys: loaded.read()?,
            key_set: loaded.read()?,
            relay: loaded.read()?,
            log: loaded.read()?,
        })
    }
}
