//! The settings of the deployed services.

use adapter_crypto::{KeyDirectorySettings, RemoteKeySetSettings};
use adapter_kafka::KafkaSettings;
use adapter_mongodb::MongodbSettings;
use service_runtime::{Loaded, Program, RelaySettings, Section, SettingsError};

use crate::context::Context;
use crate::contexts::CONTEXTS;
use crate::settings::{COMMON, DEPLOYED, HTTP, VERIFIER};

const CONNECTIONS: &[Section] = &[Section::of::<MongodbSettings>(), Section::of::<KafkaSettings>()];

/// Returns the sections that a service with these contexts reads.
fn service_sections(contexts: &[&Context]) -> Vec<Section> {
    let mut sections = [HTTP, CONNECTIONS, COMMON, DEPLOYED].concat();
    if !contexts.iter().any(|context| context.signs) {
        sections.extend(VERIFIER);
    }
    for context in contexts {
        sections.extend(context.settings);
        sections.extend(context.secrets);
    }
    sections
}

/// The contexts that have no deployed service of their own, and no settings: `service-tokens` serves the directory, and only
/// `authme` has a log of events.
const WITHOUT_SERVICE: [&str; 2] = ["directory", "events"];

/// Returns the contexts of the deployed services, each with the sections that its service reads.
pub fn services() -> Vec<(&'static str, Vec<Section>)> {
    let deployed = CONTEXTS
        .iter()
        .filter(|context| !WITHOUT_SERVICE.contains(&context.name));
    deployed
        .map(|context| (context.name, service_sections(&[context])))
        .collect()
}

/// Returns the settings that a service with these contexts knows. It accepts those of the other services, so that one file
/// can configure all of them.
pub fn program(contexts: &[&Context]) -> Program {
    Program {
        sections: service_sections(contexts),
        others: services().into_iter().flat_map(|(_, sections)| sections).collect(),
        unlisted: &[],
        accepts_others: true,
        requires_settings: true,
        defaults: "",
    }
}

/// The settings that every deployed service reads besides those of every process.
#[derive(Debug, Clone)]
pub struct DeployedSettings {
    pub store: MongodbSettings,
    pub kafka: KafkaSettings,
    pub keys: KeyDirectorySettings,
    /// Without a URL in the service `tokens`, which signs and therefore reads only the directory.
    pub key_set: RemoteKeySetSettings,
    pub relay: RelaySettings,
}

impl DeployedSettings {
    /// Reads the sections.
    pub fn read(loaded: &Loaded) -> Result<Self, SettingsError> {
        Ok(Self {
            store: loaded.read()?,
            kafka: loaded.read()?,
            keys: loaded.read()?,
            key_set: loaded.read()?,
            relay: loaded.read()?,
        })
    }
}
