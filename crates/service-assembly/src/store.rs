use std::time::Duration;

use adapter_crypto::{read_secret_text, require_private};
use adapter_mongodb::{MongodbSettings, OpenError, certificate_key_file};
use ports::{Aggregate, StoreError, Stores};
use service_runtime::CommandError;
use tokio::time::{Instant, sleep};

/// The time for which a start waits for an unreachable store. The limit covers a store that starts at the same time,
/// and an election (usually below 12 s).
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// The pause between two attempts.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The reaction to an unreachable store: an immediate error, or further attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitForStore {
    No,
    Yes,
}

/// Opens the store. Driver calls run on the Tokio runtime that this function is called on.
pub(crate) async fn open(settings: &MongodbSettings, wait: WaitForStore) -> Result<Stores, CommandError> {
    let uri = read_secret_text(&settings.mongodb_uri_file);
    let uri = uri.map_err(CommandError::context("`store.mongodb_uri_file` cannot be used"))?;
    if let Some(key) = certificate_key_file(&uri) {
        require_private(&key).map_err(CommandError::context(
            "`tlsCertificateKeyFile` of MongoDB cannot be used",
        ))?;
    }
    let settings = MongodbSettings {
        uri: uri.as_str().to_owned(),
        ..settings.clone()
    };
    let open = async || adapter_mongodb::open(&settings).await;
    let is_temporary = |error: &OpenError| matches!(error, OpenError::Unreachable(_));
    let result = retry_while(wait, is_temporary, open).await;
    result.map_err(CommandError::context("the store cannot be opened"))
}

/// Creates the missing indexes of these aggregates.
pub(crate) async fn create_indexes(stores: &Stores, aggregates: &[&'static Aggregate]) -> Result<(), CommandError> {
    let create = async || stores.upkeep.create_indexes(aggregates).await;
    let is_temporary = |error: &StoreError| matches!(error, StoreError::Unavailable(_));
    let result = retry_while(WaitForStore::Yes, is_temporary, create).await;
    result.map_err(CommandError::context("the indexes of the store cannot be created"))
}

/// Repeats the attempt while its error is temporary, for at most [`WAIT_LIMIT`]. Without `wait`, makes one attempt.
async fn retry_while<T, E: std::error::Error + 'static>(
    wait: WaitForStore,
    is_temporary: fn(&E) -> bool,
    attempt: impl AsyncFn() -> Result<T, E>,
) -> Result<T, E> {
    let start = Instant::now();
    loop {
        match attempt().await {
            Err(error) if is_temporary(&error) && wait == WaitForStore::Yes && start.elapsed() < WAIT_LIMIT => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the store is unreachable; retrying"
                );
                sleep(RETRY_PAUSE).await;
            }
            result => return result,
        }
    }
}
