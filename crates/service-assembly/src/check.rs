use adapter_crypto::VerificationKeys as _;
use service_runtime::{CommandError, Loaded, ServiceSettings};

use crate::keys::Keys;
use crate::store::{self, Wait};
use crate::topics::{self, Topics};
use crate::{Service, Shared, kafka, tell};

/// `--check`: whether a start would succeed. Brokers and key set may be away.
pub(crate) async fn run(service: &Service, loaded: Loaded, settings: ServiceSettings) -> Result<(), CommandError> {
    let publisher = kafka::publisher(&settings.kafka)?;
    let stores = store::open(&settings.store, Wait::No).await?;
    tell("store: reached")?;
    let shared = Shared::new(service.binary, loaded, &settings, stores)?;
    (service.wire)(&shared)?;
    tell("settings: good")?;
    match &shared.keys {
        Keys::Directory(_) => tell("keys: read")?,
        Keys::Remote(keys) => {
            shared.keys.at_once().refresh().await;
            let answer = if keys.version().is_some() {
                "fetched"
            } else {
                "away; a start would not be ready until they can be fetched"
            };
            tell(&format!("keys: {answer}"))?;
        }
    }
    match topics::look(&publisher).await? {
        Topics::There => tell("kafka: the topics are there"),
        Topics::Unknown(_) => tell("kafka: away; a start would keep events in the outboxes until it answers"),
    }
}
