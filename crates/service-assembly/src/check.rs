use adapter_crypto::VerificationKeys as _;
use service_runtime::{CommandError, Loaded, ServiceSettings};

use crate::keys::Keys;
use crate::store::{self, WaitForStore};
use crate::topics::{self, Topics};
use crate::{Service, Shared, kafka, print_line};

/// `--check`: whether a start would succeed. Brokers and key set may be away.
pub(crate) async fn run(service: &Service, loaded: Loaded, settings: ServiceSettings) -> Result<(), CommandError> {
    let publisher = kafka::publisher(&settings.kafka)?;
    let stores = store::open(&settings.store, WaitForStore::No).await?;
    print_line("store: reached")?;
    let shared = Shared::new(service.binary, loaded, &settings, stores)?;
    (service.wire)(&shared)?;
    print_line("settings: good")?;
    match &shared.keys {
        Keys::Directory(_) => print_line("keys: read")?,
        Keys::Remote(keys) => {
            shared.keys.on_demand().refresh().await;
            let answer = if keys.version().is_some() {
                "fetched"
            } else {
                "away; a start would not be ready until they can be fetched"
            };
            print_line(&format!("keys: {answer}"))?;
        }
    }
    match topics::check(&publisher).await? {
        Topics::There => print_line("kafka: the topics are there"),
        Topics::Unknown(_) => print_line("kafka: away; a start would keep events in the outboxes until it answers"),
    }
}
