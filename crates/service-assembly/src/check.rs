use adapter_crypto::VerificationKeys as _;
use service_runtime::{CommandError, Loaded};

use crate::keys::Keys;
use crate::service::print_line;
use crate::settings::ServiceSettings;
use crate::store::{self, WaitForStore};
use crate::topics::{self, Topics};
use crate::{Service, Shared, kafka};

/// `--check`: reports whether a start would succeed. A service also starts without brokers and without a remote key set,
/// so if they are unreachable, that is reported but is not an error.
pub(crate) async fn run(service: &Service, loaded: Loaded, settings: ServiceSettings) -> Result<(), CommandError> {
    let publisher = kafka::publisher(&settings.kafka)?;
    let stores = store::open(&settings.store, WaitForStore::No).await?;
    print_line("store: reached")?;
    let shared = Shared::new(loaded, &settings, stores)?;
    (service.wire)(&shared)?;
    print_line("settings: valid")?;
    match &shared.keys {
        Keys::Directory(_) => print_line("keys: read")?,
        Keys::Remote(keys) => {
            shared.keys.on_demand().refresh().await;
            let result = if keys.version().is_some() {
                "fetched"
            } else {
                "unreachable; a service would start, but would not be ready until they are fetched"
            };
            print_line(&format!("keys: {result}"))?;
        }
    }
    match topics::check(&publisher).await? {
        Topics::Exist => print_line("kafka: all topics exist"),
        Topics::Unknown(_) => print_line(
            "kafka: unreachable; a service would start, and would keep events in the outboxes until a broker answers",
        ),
    }
}
