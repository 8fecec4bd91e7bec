use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use std::{fs, io};

use async_trait::async_trait;
use domain::loopback::is_loopback;
use domain::time::Timestamp;
use jsonwebtoken::DecodingKey;
use ports::tokens::PublicKey;
use ports::{KeySetSource, Readiness};
use reqwest::{Certificate, Client, Url, redirect};
use tokio::sync::Mutex;

use crate::jwk_set::usable_keys;
use crate::{RemoteKeySetSettings, VerificationKey, VerificationKeys};

/// The minimum time between two fetches for unknown `kid`s, over all requests. A caller that invents `kid`s thus causes
/// at most two fetches a second.
const MIN_FETCH_INTERVAL: Duration = Duration::from_millis(500);

/// The time between periodic fetches. A revoked key is still accepted for about this long.
const FETCH_INTERVAL: Duration = Duration::from_secs(5);

/// The time between periodic fetches after a failed one.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The time limits of a fetch. They are short because a request with an unknown `kid` waits for the fetch
/// (docs/protocols.md "Signing keys").
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);

/// The maximum size of a response, in bytes: room for more than a hundred keys.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// An error in the settings of a remote key set.
#[derive(Debug, thiserror::Error)]
pub enum KeySetUrlError {
    #[error("the URL of the key set must be http or https, without a user name or password")]
    Url,
    #[error(
        "the key set would be fetched over http from `{host}`: an attacker on the network could replace the keys and \
         sign tokens. Use https, or set `keys.allow_insecure = true` if the network is trusted"
    )]
    Insecure { host: String },
    #[error("`keys.ca_file` cannot be read")]
    CaFile(#[source] io::Error),
    #[error("the CA certificates for the key set's server cannot be used")]
    Certificates(#[source] reqwest::Error),
    #[error("the HTTP client for the key set cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// An error while fetching the key set.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the server does not answer")]
    NoAnswer(#[from] reqwest::Error),
    #[error("the server answered with status {0}")]
    Status(u16),
    #[error("the response is longer than {MAX_RESPONSE_BYTES} bytes")]
    TooLong,
    #[error("the response has no key that can verify tokens")]
    NoUsableKey,
}

struct Keys {
    public: Vec<PublicKey>,
    verification: Vec<VerificationKey>,
    /// The time of the last successful fetch; `None` before the first.
    fetched_at: Option<Instant>,
    version: u64,
}

struct FetchState {
    last_attempt: Option<Instant>,
    is_failing: bool,
}

/// The key set that the service `tokens` publishes, fetched over HTTP, for services that verify and never sign.
///
/// The last good set stays in use up to its longest age (docs/protocols.md "Signing keys"):
///
/// - 12:00:00 A fetch succeeds. The longest age is 1 hour.
/// - 12:00:05 The next periodic fetch fails. Another fetch follows every second. The set of 12:00:00 still verifies.
/// - 12:10:00 A token has a `kid` that the set lacks. The set is fetched immediately, unless the last attempt was less
///   than 500 ms ago. The fetch fails, and the token is rejected.
/// - 13:00:00 The set is an hour old and verifies nothing. Requests get 503, not 401: their tokens may be good.
/// - 13:20:00 A fetch succeeds. If the keys are the same, tokens verified before are still cached.
pub struct RemoteKeySet {
    client: Client,
    url: Url,
    longest_age: Duration,
    keys: RwLock<Arc<Keys>>,
    /// Locked during a fetch. Other callers wait for the lock and then use the result of the fetch.
    fetch_state: Mutex<FetchState>,
}

impl RemoteKeySet {
    /// Checks the settings and reads the CA certificates. Fetches nothing.
    pub fn new(settings: &RemoteKeySetSettings) -> Result<Self, KeySetUrlError> {
        let url = parse_url(settings)?;
        let is_https = url.scheme() == "https";
        let builder = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(FETCH_TIMEOUT)
            // A pooled connection is bound to the runtime that opened it, and the callers have several.
            .pool_max_idle_per_host(0);
        let builder = match &settings.ca_file {
            Some(file) => {
                let pem = fs::read(file).map_err(KeySetUrlError::CaFile)?;
                builder.tls_certs_only(Certificate::from_pem_bundle(&pem).map_err(KeySetUrlError::Certificates)?)
            }
            // Without TLS the system's certificates are not loaded: a container image may have none.
            None if !is_https => builder.tls_certs_only([]),
            None => builder,
        };
        let keys = Keys {
            public: Vec::new(),
            verification: Vec::new(),
            fetched_at: None,
            version: 0,
        };
        Ok(Self {
            client: builder.build().map_err(KeySetUrlError::Client)?,
            url,
            longest_age: settings.longest_age,
            keys: RwLock::new(Arc::new(keys)),
            fetch_state: Mutex::new(FetchState {
                last_attempt: None,
                is_failing: false,
            }),
        })
    }

    /// Returns a source whose `refresh` fetches only if the last fetch was at least 5 s ago (1 s after a failed fetch).
    /// It is for a loop that calls it more often.
    pub fn when_due(self: &Arc<Self>) -> Arc<dyn KeySetSource> {
        Arc::new(PeriodicSource(self.clone()))
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the key set, unless the last attempt was less than `min_interval` ago. Returns whether the set has
    /// changed since the call began. That includes a change by another caller's fetch that this call waited for.
    async fn fetch_if_due(&self, min_interval: Duration) -> bool {
        let before = self.version();
        let mut state = self.fetch_state.lock().await;
        let min_interval = if state.is_failing {
            min_interval.min(RETRY_INTERVAL)
        } else {
            min_interval
        };
        if state.last_attempt.is_none_or(|last| last.elapsed() >= min_interval) {
            // Also set before the fetch: if a caller drops its future during the fetch, the next caller must not start
            // another fetch immediately.
            state.last_attempt = Some(Instant::now());
            let fetched = self.fetch().await;
            state.last_attempt = Some(Instant::now());
            let is_failing = fetched.is_err();
            match fetched {
                Ok(keys) => self.replace(keys),
                Err(error) if !state.is_failing => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    longest_age = ?self.longest_age,
                    "the key set cannot be fetched; the last one stays in use up to its longest age"
                ),
                Err(_) => {}
            }
            if state.is_failing && !is_failing {
                tracing::info!("the key set can be fetched again");
            }
            state.is_failing = is_failing;
        }
        self.version() != before
    }

    async fn fetch(&self) -> Result<Vec<PublicKey>, FetchError> {
        // Logged without the URL, whose query may hold a secret.
        let no_answer = |error: reqwest::Error| FetchError::NoAnswer(error.without_url());
        let mut response = self.client.get(self.url.clone()).send().await.map_err(no_answer)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        usable_keys(&body)
            .filter(|keys| !keys.is_empty())
            .ok_or(FetchError::NoUsableKey)
    }

    /// Stores the fetched keys. The version rises only if they differ, so that cached tokens stay valid under an equal
    /// set.
    fn replace(&self, public: Vec<PublicKey>) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let is_changed = keys.public != public;
        *keys = Arc::new(Keys {
            verification: public.iter().map(verification_key).collect(),
            public,
            fetched_at: Some(Instant::now()),
            version: keys.version + u64::from(is_changed),
        });
    }
}

/// Parses the URL. Rejects http to another machine unless the settings allow it, because an attacker on the network
/// could replace the keys.
fn parse_url(settings: &RemoteKeySetSettings) -> Result<Url, KeySetUrlError> {
    let url = Url::parse(settings.url.as_deref().unwrap_or_default()).map_err(|_| KeySetUrlError::Url)?;
    let host = url.host_str().unwrap_or_default();
    if !matches!(url.scheme(), "https" | "http") || !url.username().is_empty() || url.password().is_some() {
        return Err(KeySetUrlError::Url);
    }
    if url.scheme() == "http" && !is_loopback(host) && !settings.allow_insecure {
        return Err(KeySetUrlError::Insecure { host: host.to_owned() });
    }
    Ok(url)
}

fn verification_key(key: &PublicKey) -> VerificationKey {
    VerificationKey {
        key: DecodingKey::from_rsa_raw_components(&key.modulus, &key.exponent),
        retired_at: key.retired_at,
    }
}

impl VerificationKeys for RemoteKeySet {
    fn version(&self) -> Option<u64> {
        let keys = self.keys();
        let is_fresh = |fetched_at: Instant| fetched_at.elapsed() < self.longest_age;
        keys.fetched_at.is_some_and(is_fresh).then_some(keys.version)
    }

    fn verification_key(&self, kid: &str, _: Timestamp) -> Option<VerificationKey> {
        let keys = self.keys();
        let mut pairs = keys.public.iter().zip(&keys.verification);
        pairs
            .find(|(public, _)| public.id == kid)
            .map(|(_, verification)| verification.clone())
    }
}

#[async_trait]
impl KeySetSource for RemoteKeySet {
    async fn refresh(&self) -> bool {
        self.fetch_if_due(MIN_FETCH_INTERVAL).await
    }
}

#[async_trait]
impl Readiness for RemoteKeySet {
    fn name(&self) -> &'static str {
        "keys"
    }

    /// Returns whether there is a key set that is younger than its longest age.
    async fn is_ready(&self) -> bool {
        self.version().is_some()
    }
}

struct PeriodicSource(Arc<RemoteKeySet>);

#[async_trait]
impl KeySetSource for PeriodicSource {
    async fn refresh(&self) -> bool {
        self.0.fetch_if_due(FETCH_INTERVAL).await
    }
}

#[cfg(test)]
mod tests;
