use std::time::Duration;

use adapter_crypto::{read_secret_text, require_private};
use adapter_mongodb::{MongodbSettings, OpenError, Stores, certificate_key_file};
use ports::Aggregate;
use service_runtime::{CommandError, StoreSettings};
use tokio::time::{Instant, sleep};

/// A start waits so long for a store that is away: one that starts at the same time, or elects.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_secs(1);

/// Whether to wait for a store that is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitForStore {
    No,
    Yes,
}

/// Opens the store. Driver calls run on the runtime that this is called on.
pub(crate) async fn open(settings: &StoreSettings, wait: WaitForStore) -> Result<Stores, CommandError> {
    let uri = read_secret_text(&settings.mongodb_uri_file);
    let uri = uri.map_err(CommandError::context("`store.mongodb_uri_file` cannot be used"))?;
    if let Some(key) = certificate_key_file(&uri) {
        require_private(&key).map_err(CommandError::context(
            "`tlsCertificateKeyFile` of MongoDB cannot be used",
        ))?;
    }
    let settings = MongodbSettings {
        allow_insecure: settings.allow_insecure,
        ..MongodbSettings::new(uri.as_str(), &settings.database, settings.connections)
    };
    let opened = retry_while_unavailable(wait, async || adapter_mongodb::open(&settings).await).await;
    opened.map_err(CommandError::context("the store cannot be opened"))
}

/// Makes the indexes of an aggregate's service.
pub(crate) async fn create_indexes(stores: &Stores, aggregate: Aggregate) -> Result<(), CommandError> {
    let made = retry_while_unavailable(WaitForStore::Yes, async || stores.create_indexes(&[aggregate]).await).await;
    made.map_err(CommandError::context("the store cannot be made ready"))
}

/// Tries again while the store is away: one that starts at the same time, or elects.
async fn retry_while_unavailable<T>(
    wait: WaitForStore,
    attempt: impl AsyncFn() -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    let begun = Instant::now();
    loop {
        match attempt().await {
            Err(failure @ (OpenError::Away(_) | OpenError::Index { .. }))
                if wait == WaitForStore::Yes && begun.elapsed() < WAIT_LIMIT =>
            {
                tracing::warn!(
                    error = &failure as &dyn std::error::Error,
                    "the store is away; it is tried again"
                );
                sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}
