use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use domain::loopback::is_loopback;
use mongodb::Client;
use mongodb::options::{
    ClientOptions, ConnectionString, ReadConcern, ReadConcernLevel, ReadPreference, SelectionCriteria, ServerAddress,
    Tls, WriteConcern,
};

use crate::call_runner::CALL_TIMEOUT;
use crate::error::OpenError;

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
    /// Without TLS, or with TLS that checks no certificate, to another machine as well.
    pub allow_insecure: bool,
    /// How long a call is waited for.
    pub patience: Duration,
}

impl MongodbSettings {
    /// With the patience of a service, which answers within three seconds (C8 in `docs/promises.md`). Another machine is
    /// spoken to under TLS only, unless `allow_insecure` is set.
    pub fn new(uri: impl Into<String>, database: impl Into<String>, connections: u32) -> Self {
        Self {
            uri: uri.into(),
            database: database.into(),
            connections,
            allow_insecure: false,
            patience: CALL_TIMEOUT,
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
    options.server_selection_timeout = Some(SELECTION);
    options.connect_timeout = Some(SELECTION);
    options.heartbeat_freq = Some(HEARTBEAT);
    options.max_pool_size = Some(settings.connections.max(1));
    options.min_pool_size = Some(WARM.min(settings.connections.max(1)));
    options.max_connecting = Some(WARM);
    let client = Client::with_options(options).map_err(|error| OpenError::Uri((&error).into()))?;
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

/// Whether something is sent over a network that others on it can read, or answer in the server's place.
fn is_exposed(options: &ClientOptions) -> bool {
    let is_checked = match &options.tls {
        Some(Tls::Enabled(tls)) => tls.allow_invalid_certificates != Some(true),
        Some(Tls::Disabled) | None => false,
    };
    let stays_here = |host: &ServerAddress| match host {
        ServerAddress::Tcp { host, .. } => is_loopback(host),
        ServerAddress::Unix { .. } => true,
        _ => false,
    };
    !is_checked && !options.hosts.iter().all(stays_here)
}

/// The file of the client's own certificate and private key, where a URI names one: the driver reads it by itself, whoever
/// else can. `None` for a URI that cannot be read, which opening tells.
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
    async fn another_machine_is_spoken_to_under_tls_that_checks() {
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
            let refused = client(&MongodbSettings::new(uri, "authme", 1)).await.unwrap_err();
            assert!(
                refused.to_string().contains("`store.allow_insecure = true`"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_private_key_that_the_driver_reads_is_known() {
        let file = |uri| certificate_key_file(uri);
        let named = file("mongodb://a/?tls=true&tlsCertificateKeyFile=/run/client.pem");
        assert_eq!(named, Some(PathBuf::from("/run/client.pem")));
        assert_eq!(file("mongodb://a/?tls=true"), None);
        assert_eq!(file("mongodb://a"), None);
    }

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
