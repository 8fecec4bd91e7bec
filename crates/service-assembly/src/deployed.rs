use std::fs;
use std::process;
use std::sync::Arc;

use adapter_crypto::SystemRandomness;
use adapter_kafka::KafkaEventPublisher;
use ports::{Clock, Randomness as _};
use service_runtime::{AuditLog, CommandError, Loaded, SystemClock};

use crate::context::Context;
use crate::deployed_keys;
use crate::deployed_settings::DeployedSettings;
use crate::kafka;
use crate::platform::Platform;
use crate::settings::ProcessSettings;
use crate::store::{self, WaitForStore};
use crate::topics::{self, Topics};
use crate::wiring::Secrets;

/// The platform of a deployed service, and what `--check` reports of it.
pub(crate) struct Deployed {
    pub(crate) platform: Platform,
    pub(crate) publisher: Arc<KafkaEventPublisher>,
}

/// Opens the store, the producer and the keys. Unreachable brokers are not an error.
pub(crate) async fn open(name: &str, loaded: &Loaded, wait: WaitForStore) -> Result<Deployed, CommandError> {
    let invalid = || CommandError::context("the settings are invalid");
    let process = ProcessSettings::read(loaded).map_err(invalid())?;
    let settings = DeployedSettings::read(loaded).map_err(invalid())?;
    let publisher = Arc::new(kafka::publisher(&settings.kafka)?);
    let stores = store::open(&settings.store, wait).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let longest_token_life = process.tokens.longest_access_token_lifetime;
    let platform = Platform {
        stores,
        event_publisher: publisher.clone(),
        event_log: None,
        keys: deployed_keys::open(&settings.keys, &settings.key_set, longest_token_life, &clock)?,
        secrets: Secrets::Files,
        outgoing_codes: None,
        relay_owner: relay_owner(name),
        relay_lease: settings.relay.lease,
        clock,
        audit: Arc::new(AuditLog::on_stderr()),
        lock: None,
    };
    Ok(Deployed { platform, publisher })
}

/// Prepares the start: warns if no broker answers, fails if a topic is missing, and creates missing indexes.
pub(crate) async fn prepare(deployed: &Deployed, contexts: &[&Context]) -> Result<(), CommandError> {
    if let Topics::Unknown(error) = topics::check(&deployed.publisher).await? {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "no Kafka broker answers; events stay in the outboxes until one does"
        );
    }
    store::create_indexes(&deployed.platform.stores, &Context::aggregates(contexts)).await
}

/// Returns the name under which the relay claims outboxes. It is unique among all replicas and differs at each start, so a
/// restarted process never settles under a lease of its predecessor.
fn relay_owner(service: &str) -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let suffix = domain::hex::encode(&SystemRandomness.nonce());
    format!("{service}/{}/{}/{suffix}", host.trim(), process::id())
}
