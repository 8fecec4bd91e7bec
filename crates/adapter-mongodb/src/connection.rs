use std::fmt;
use std::time::Duration;

use mongodb::Client;
use mongodb::options::{ClientOptions, ReadConcern, ReadConcernLevel, ReadPreference, SelectionCriteria, WriteConcern};

use crate::calls::LONGEST_CALL;
use crate::fault::OpenFailure;

/// A server that cannot be found is given up after this: the driver's own half a minute breaks promises.
const SELECTION: Duration = Duration::from_secs(2);

/// A silent server is noticed after one look and one time-out of it; its calls in flight are then broken off.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Connections that wait, made before the store is ready.
const WARM: u32 = 4;

/// Which database, and how many calls may run at the same time.
#[derive(Clone)]
pub struct MongodbSettings {
    /// Holds a password; never printed.
    pub uri: String,
    pub database: String,
    /// Connections at most.
    pub connections: u32,
    /// How long a call is waited for.
    pub patience: Duration,
}

impl MongodbSettings {
    /// With the patience of a service, which answers within three seconds (04-promises, C8).
    pub fn new(uri: impl Into<String>, database: impl Into<String>, connections: u32) -> Self {
        Self {
            uri: uri.into(),
            database: database.into(),
            connections,
            patience: LONGEST_CALL,
        }
    }
}

impl fmt::Debug for MongodbSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongodbSettings")
            .field("database", &self.database)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

/// The client by our own rules; a URI that says otherwise is refused, not overruled.
pub(crate) async fn client(settings: &MongodbSettings) -> Result<Client, OpenFailure> {
    if settings.uri.trim_start().starts_with("mongodb+srv:") {
        return Err(OpenFailure::SeedList);
    }
    let mut options = ClientOptions::parse(&settings.uri)
        .await
        .map_err(|error| OpenFailure::Uri((&error).into()))?;
    if let Some(setting) = contradiction(&options) {
        return Err(OpenFailure::Contradicts(setting));
    }
    options.app_name.get_or_insert_with(|| "authme".to_owned());
    options.write_concern = Some(
        WriteConcern::builder()
            .w(mongodb::options::Acknowledgment::Majority)
            .journal(true)
            .w_timeout(LONGEST_CALL)
            .build(),
    );
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.server_selection_timeout = Some(SELECTION);
    options.connect_timeout = Some(SELECTION);
    options.heartbeat_freq = Some(HEARTBEAT);
    options.max_pool_size = Some(settings.connections.max(1));
    options.min_pool_size = Some(WARM.min(settings.connections.max(1)));
    options.max_connecting = Some(WARM);
    let client = Client::with_options(options).map_err(|error| OpenFailure::Uri((&error).into()))?;
    client.warm_connection_pool().await;
    Ok(client)
}

/// The first setting of the URI that would weaken a write or a read.
fn contradiction(options: &ClientOptions) -> Option<&'static str> {
    if let Some(concern) = &options.write_concern {
        let majority = Some(mongodb::options::Acknowledgment::Majority);
        if concern.w.is_some() && concern.w != majority {
            return Some("w");
        }
        if concern.journal == Some(false) {
            return Some("journal");
        }
    }
    let level = options.read_concern.as_ref().map(|concern| &concern.level);
    if level.is_some_and(|level| !matches!(level, ReadConcernLevel::Majority)) {
        return Some("readConcernLevel");
    }
    let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
    let elsewhere = |criteria: &SelectionCriteria| *criteria != primary;
    if options.selection_criteria.as_ref().is_some_and(elsewhere) {
        return Some("readPreference");
    }
    (options.retry_writes == Some(false)).then_some("retryWrites")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_uri_that_weakens_a_write_or_a_read_is_refused() {
        let refused = |options: &'static str| async move {
            let uri = format!("mongodb://localhost/?{options}");
            contradiction(&ClientOptions::parse(&uri).await.unwrap())
        };
        assert_eq!(refused("w=1").await, Some("w"));
        assert_eq!(refused("w=0").await, Some("w"));
        assert_eq!(refused("w=majority&journal=false").await, Some("journal"));
        assert_eq!(refused("readConcernLevel=local").await, Some("readConcernLevel"));
        assert_eq!(
            refused("readPreference=secondaryPreferred").await,
            Some("readPreference")
        );
        assert_eq!(refused("retryWrites=false").await, Some("retryWrites"));
        for good in [
            "",
            "w=majority&journal=true",
            "readConcernLevel=majority&readPreference=primary&retryWrites=true",
            "replicaSet=rs0&tls=true",
        ] {
            assert_eq!(refused(good).await, None, "{good}");
        }
    }

    #[test]
    fn settings_print_no_uri() {
        let settings = MongodbSettings::new("mongodb://ada:hunter2@localhost", "authme", 8);
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
