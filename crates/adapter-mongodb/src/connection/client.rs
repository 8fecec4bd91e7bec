//! The client and its settings: which URIs are accepted, and the time limits of connections.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use domain::loopback::is_loopback;
use mongodb::Client;
use mongodb::options::{
    ClientOptions, ConnectionString, ReadConcern, ReadConcernLevel, ReadPreference, SelectionCriteria, ServerAddress,
    Tls, WriteConcern,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::OpenError;

/// The time limit of a caller for one driver call, unless the settings say otherwise. A request may make several calls;
/// its own deadline cuts it off after 2.8 s, so that a client has its answer within 3 s. The `wtimeout` of a write is
/// the same.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_millis(2_500);

/// The time limit of server selection and of a connection attempt. It is shorter than a call (2.5 s), so that a failed
/// selection is reported as such: nothing was sent, so the outcome is known. The driver's default of 30 s is longer
/// than any request.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// The interval of the driver's heartbeats. A silent server is detected after one interval and one heartbeat timeout.
/// Its calls in flight then fail. The driver's default is 10 s, but service must resume within 5 s after the store has
/// recovered.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

/// The minimum number of pooled connections. They are opened before the store is ready, so that the first requests need
/// no handshake. Also the maximum number of connections that are being opened at the same time.
const MIN_CONNECTIONS: u32 = 4;

/// The connection to the MongoDB database.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "store")]
pub struct MongodbSettings {
    /// File with the MongoDB URI. The URI must not weaken the read and write concerns.
    pub mongodb_uri_file: PathBuf,
    /// `true` accepts MongoDB on another machine without TLS, or with TLS that does not verify certificates. An
    /// attacker on that network can then read and change all data.
    pub allow_insecure: bool,
    /// Name of the MongoDB database.
    pub database: String,
    /// Connections allowed to each MongoDB server. At least 1.
    #[schemars(range(min = 1))]
    pub connections: u32,
    /// `false` sends each read and each rotation in a command of its own. Otherwise those that wait at the same time share
    /// one, except behind a `mongos`.
    pub batching: bool,
    /// The content of `mongodb_uri_file`, which the caller reads. May contain a password; `Debug` does not print it.
    #[serde(skip)]
    pub uri: String,
    /// The time limit of a caller for one call.
    #[serde(skip)]
    pub call_timeout: Duration,
}

impl Default for MongodbSettings {
    /// Returns settings without a URI. A call may take 2.5 s, since a request is answered within 3 s (C8 in
    /// docs/promises.md).
    fn default() -> Self {
        Self {
            mongodb_uri_file: PathBuf::new(),
            allow_insecure: false,
            database: "authme".to_owned(),
            connections: 64,
            batching: true,
            uri: String::new(),
            call_timeout: CALL_TIMEOUT,
        }
    }
}

impl MongodbSettings {
    /// Returns the default settings with this URI, database and number of connections.
    pub fn new(uri: impl Into<String>, database: impl Into<String>, connections: u32) -> Self {
        Self {
            uri: uri.into(),
            database: database.into(),
            connections,
            ..Self::default()
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

/// Creates the client, with write concern `majority` and journal, read concern `majority`, and reads from the primary.
/// A URI that contradicts this is rejected rather than overruled, so that an operator notices.
pub(crate) async fn client(settings: &MongodbSettings) -> Result<Client, OpenError> {
    if settings.uri.trim_start().starts_with("mongodb+srv:") {
        return Err(OpenError::SeedList);
    }
    let mut options = ClientOptions::parse(&settings.uri)
        .await
        .map_err(|error| OpenError::Uri((&error).into()))?;
    if let Some(setting) = contradiction(&options) {
        return Err(OpenError::Contradicts(setting));
    }
    if !settings.allow_insecure && is_exposed(&options) {
        return Err(OpenError::Insecure);
    }
    options.app_name.get_or_insert_with(|| "authme".to_owned());
    options.write_concern = Some(
        WriteConcern::builder()
            .w(mongodb::options::Acknowledgment::Majority)
            .journal(true)
            .w_timeout(CALL_TIMEOUT)
            .build(),
    );
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.server_selection_timeout = Some(SERVER_SELECTION_TIMEOUT);
    options.connect_timeout = Some(SERVER_SELECTION_TIMEOUT);
    options.heartbeat_freq = Some(HEARTBEAT_INTERVAL);
    options.max_pool_size = Some(settings.connections.max(1));
    options.min_pool_size = Some(MIN_CONNECTIONS.min(settings.connections.max(1)));
    options.max_connecting = Some(MIN_CONNECTIONS);
    let client = Client::with_options(options).map_err(|error| OpenError::Uri((&error).into()))?;
    client.warm_connection_pool().await;
    Ok(client)
}

/// Returns the first setting of the URI that would weaken a write or a read.
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
    let is_other = |criteria: &SelectionCriteria| *criteria != primary;
    if options.selection_criteria.as_ref().is_some_and(is_other) {
        return Some("readPreference");
    }
    (options.retry_writes == Some(false)).then_some("retryWrites")
}

/// Returns whether traffic leaves this machine without TLS, or with TLS that does not verify the certificate. An
/// attacker on the network could then read it or impersonate the server.
fn is_exposed(options: &ClientOptions) -> bool {
    let verifies_certificate = match &options.tls {
        Some(Tls::Enabled(tls)) => tls.allow_invalid_certificates != Some(true),
        Some(Tls::Disabled) | None => false,
    };
    let is_local = |host: &ServerAddress| match host {
        ServerAddress::Tcp { host, .. } => is_loopback(host),
        ServerAddress::Unix { .. } => true,
        _ => false,
    };
    !verifies_certificate && !options.hosts.iter().all(is_local)
}

/// Returns the file of the client certificate and private key that a URI names. The driver reads the file without
/// checking its permissions, so the caller must check them. Returns `None` if the URI names no such file, or cannot be
/// read, which [`open`](crate::open) reports.
pub fn certificate_key_file(uri: &str) -> Option<PathBuf> {
    match ConnectionString::parse(uri).ok()?.tls? {
        Tls::Enabled(tls) => tls.cert_key_file_path,
        Tls::Disabled => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn remote_hosts_require_verified_tls() {
        let exposed = |uri: &'static str| async move { is_exposed(&ClientOptions::parse(uri).await.unwrap()) };
        for uri in [
            "mongodb://localhost",
            "mongodb://127.0.0.1:27017,[::1]:1/?replicaSet=rs0",
            "mongodb://localhost/?tlsInsecure=true",
            "mongodb://%2Ftmp%2Fmongodb.sock",
            "mongodb://mongodb/?tls=true",
            "mongodb://mongodb/?tls=true&tlsInsecure=false",
        ] {
            assert!(!exposed(uri).await, "{uri}");
        }
        for uri in [
            "mongodb://mongodb",
            "mongodb://localhost,mongodb/?replicaSet=rs0",
            "mongodb://10.0.0.1/?tls=false",
            "mongodb://mongodb/?tls=true&tlsInsecure=true",
            "mongodb://mongodb/?tls=true&tlsAllowInvalidCertificates=true",
        ] {
            assert!(exposed(uri).await, "{uri}");
            let error = client(&MongodbSettings::new(uri, "authme", 1)).await.unwrap_err();
            assert!(error.to_string().contains("`store.allow_insecure = true`"), "{error}");
        }
    }

    #[test]
    fn certificate_key_file_is_read_from_the_uri() {
        let file = |uri| certificate_key_file(uri);
        let named = file("mongodb://a/?tls=true&tlsCertificateKeyFile=/run/client.pem");
        assert_eq!(named, Some(PathBuf::from("/run/client.pem")));
        assert_eq!(file("mongodb://a/?tls=true"), None);
        assert_eq!(file("mongodb://a"), None);
    }

    #[tokio::test]
    async fn uri_that_weakens_concerns_is_rejected() {
        let find_contradiction = |options: &'static str| async move {
            let uri = format!("mongodb://localhost/?{options}");
            contradiction(&ClientOptions::parse(&uri).await.unwrap())
        };
        assert_eq!(find_contradiction("w=1").await, Some("w"));
        assert_eq!(find_contradiction("w=0").await, Some("w"));
        assert_eq!(find_contradiction("w=majority&journal=false").await, Some("journal"));
        assert_eq!(
            find_contradiction("readConcernLevel=local").await,
            Some("readConcernLevel")
        );
        assert_eq!(
            find_contradiction("readPreference=secondaryPreferred").await,
            Some("readPreference")
        );
        assert_eq!(find_contradiction("retryWrites=false").await, Some("retryWrites"));
        for good in [
            "",
            "w=majority&journal=true",
            "readConcernLevel=majority&readPreference=primary&retryWrites=true",
            "replicaSet=rs0&tls=true",
        ] {
            assert_eq!(find_contradiction(good).await, None, "{good}");
        }
    }

    #[test]
    fn debug_output_has_no_uri() {
        let settings = MongodbSettings::new("mongodb://ada:hunter2@localhost", "authme", 8);
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
