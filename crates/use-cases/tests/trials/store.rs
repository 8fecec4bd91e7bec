use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use adapter_crypto::SystemRandomness;
use adapter_mongodb::MongodbSettings;
use adapter_sqlite::EmbeddedStore;
use ports::{Randomness as _, Stores};
use stored_forms::all_aggregates;

use crate::event_topic::EventTopic;
use crate::pace::Pace;
use test_support::TestApp;

/// The adapter of the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Mongodb,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Mongodb => "mongodb",
        })
    }
}

impl Store {
    pub(crate) fn is_available(self) -> bool {
        self == Self::Sqlite || server().is_some()
    }

    /// Returns an app in a file or a database of its own. The database is not dropped afterwards: no port can.
    pub(crate) async fn app(self, grace: Duration) -> TestApp {
        match self {
            Self::Sqlite => TestApp::on_sqlite(grace).await,
            Self::Mongodb => TestApp::over(mongodb().await, tempfile::tempdir().unwrap(), grace).await,
        }
    }

    pub(crate) fn pace(self, app: &TestApp) -> Pace {
        match self {
            Self::Sqlite => Pace::Yields,
            Self::Mongodb => Pace::RoundTrips(app.stores.clients.clone()),
        }
    }
}

async fn mongodb() -> EmbeddedStore {
    let uri = server().expect("the trial is not ignored");
    let database = format!("trial-{}", domain::hex::encode(&SystemRandomness.object_id()));
    let settings = MongodbSettings {
        // Long, because the trials test races and not deadlines.
        call_timeout: Duration::from_mins(1),
        // The server that the variable names may have no TLS.
        allow_insecure: true,
        ..MongodbSettings::new(uri, database, 16)
    };
    let stores = adapter_mongodb::open(&settings).await.expect("the server answers");
    stores
        .upkeep
        .create_indexes(&all_aggregates())
        .await
        .expect("the server answers");
    // The lock service is another process. It shares the database with the minting process, but not the driver.
    let locking = adapter_mongodb::open(&settings).await.expect("the server answers");
    let topic = Arc::new(EventTopic::default());
    EmbeddedStore {
        stores: Stores {
            credential_locks: locking.credential_locks,
            ..stores
        },
        event_publisher: topic.clone(),
        event_log: topic,
    }
}

/// Returns the URI of the server.
#[expect(
    clippy::disallowed_methods,
    reason = "the server of the trials is not a setting of AuthMe"
)]
fn server() -> Option<String> {
    std::env::var("AUTHME_TEST_MONGODB_URI")
        .ok()
        .filter(|uri| !uri.is_empty())
}
