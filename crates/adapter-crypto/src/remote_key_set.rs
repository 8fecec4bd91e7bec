use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::loopback::is_loopback;
use domain::time::Timestamp;
use jsonwebtoken::DecodingKey;
use ports::tokens::PublicKey;
use ports::{KeySetSource, Readiness};
use reqwest::{Certificate, Client, Url, redirect};
use tokio::sync::Mutex;

use crate::jwk_set::usable_keys;
use crate::{VerificationKey, VerificationKeys};

/// Fetches for the sake of an unknown key are at least so far apart, whoever asks.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Without such a reason the key set is fetched so often, because a revoked key must go soon; while it cannot be had, every
/// [`RETRY_INTERVAL`].
const FRESH_FOR: Duration = Duration::from_secs(5);
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A request that waits for a fetch must still be answered in time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(2);

/// More than a hundred keys.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Why a key set cannot be asked for at all.
#[derive(Debug, thiserror::Error)]
pub enum KeySetUrlError {
    #[error("the URL of the key set must be http or https, and hold neither a name nor a password")]
    Url,
    #[error(
        "the key set would be fetched over http from `{host}`, and whoever answers in its name signs every token: use https, \
         or set `keys.allow_insecure = true` where nobody else is on the network"
    )]
    Insecure { host: String },
    #[error("the certificates that vouch for the key set's server cannot be used")]
    Certificates(#[source] reqwest::Error),
    #[error("no TLS can be set up for the key set")]
    Client(#[source] reqwest::Error),
}

/// Why a fetch brought nothing.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("its server does not answer")]
    NoAnswer(#[from] reqwest::Error),
    #[error("its server answered {0}")]
    Status(u16),
    #[error("the answer is longer than {LONGEST_ANSWER} bytes")]
    TooLong,
    #[error("the answer is no key set with a key that verifies tokens")]
    NoUsableKey,
}

/// Where the key set is, and how far it is trusted.
#[derive(Debug, Clone)]
pub struct RemoteKeySetSettings {
    pub url: String,
    /// Who may have signed the server's certificate, in PEM; unless given, whom the system trusts.
    pub authorities: Option<Vec<u8>>,
    /// A set that was fetched longer ago verifies nothing: a key in it may have been revoked since.
    pub longest_age: Duration,
    /// Plain http to another machine as well.
    pub allow_insecure: bool,
}

struct Keys {
    public: Vec<PublicKey>,
    verification: Vec<VerificationKey>,
    /// Of the last fetch that brought a set; `None` until one did.
    fetched_at: Option<Instant>,
    version: u64,
}

struct Looks {
    last: Option<Instant>,
    failing: bool,
}

/// The key set that the service `tokens` serves, fetched over HTTP: it verifies and never signs. The last good set stays
/// in use while no other can be had, up to its longest age.
pub struct RemoteKeySet {
    client: Client,
    url: Url,
    longest_age: Duration,
    keys: RwLock<Arc<Keys>>,
    /// Held while fetching: who comes meanwhile waits for the same answer.
    looks: Mutex<Looks>,
}

impl RemoteKeySet {
    /// Nothing is fetched yet.
    pub fn new(settings: &RemoteKeySetSettings) -> Result<Self, KeySetUrlError> {
        let url = url(settings)?;
        let secure = url.scheme() == "https";
        let builder = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // A connection lives on the runtime that asked: none is kept for another.
            .pool_max_idle_per_host(0);
        let builder = match &settings.authorities {
            Some(pem) => {
                builder.tls_certs_only(Certificate::from_pem_bundle(pem).map_err(KeySetUrlError::Certificates)?)
            }
            // Without TLS no certificates are looked for: there may be none in the image.
            None if !secure => builder.tls_certs_only([]),
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
            looks: Mutex::new(Looks {
                last: None,
                failing: false,
            }),
        })
    }

    /// The same key set for a loop that looks often: fetched only when it is due.
    pub fn when_due(self: &Arc<Self>) -> Arc<dyn KeySetSource> {
        Arc::new(WhenDue(self.clone()))
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches, unless the last look was less than `apart` ago; whether the set has changed since the call.
    async fn look(&self, apart: Duration) -> bool {
        let before = self.version();
        let mut looks = self.looks.lock().await;
        let apart = if looks.failing {
            apart.min(RETRY_INTERVAL)
        } else {
            apart
        };
        if looks.last.is_none_or(|last| last.elapsed() >= apart) {
            // Set before as well: a caller who goes away in the middle does not make the next one fetch again.
            looks.last = Some(Instant::now());
            let fetched = self.fetch().await;
            looks.last = Some(Instant::now());
            let failing = fetched.is_err();
            match fetched {
                Ok(keys) => self.replace(keys),
                Err(failure) if !looks.failing => tracing::warn!(
                    error = &failure as &dyn std::error::Error,
                    longest_age = ?self.longest_age,
                    "the key set cannot be fetched; what was fetched before stays in use, up to its longest age"
                ),
                Err(_) => {}
            }
            if looks.failing && !failing {
                tracing::info!("the key set can be fetched again");
            }
            looks.failing = failing;
        }
        self.version() != before
    }

    async fn fetch(&self) -> Result<Vec<PublicKey>, FetchError> {
        // Errors are told without the URL: its query is nobody's business.
        let no_answer = |error: reqwest::Error| FetchError::NoAnswer(error.without_url());
        let mut answer = self.client.get(self.url.clone()).send().await.map_err(no_answer)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
            if text.len() + chunk.len() > LONGEST_ANSWER {
                return Err(FetchError::TooLong);
            }
            text.extend_from_slice(&chunk);
        }
        usable_keys(&text)
            .filter(|keys| !keys.is_empty())
            .ok_or(FetchError::NoUsableKey)
    }

    /// The version changes with the keys, not with every fetch: what was verified stays remembered.
    fn replace(&self, public: Vec<PublicKey>) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let changed = keys.public != public;
        *keys = Arc::new(Keys {
            verification: public.iter().map(verification_key).collect(),
            public,
            fetched_at: Some(Instant::now()),
            version: keys.version + u64::from(changed),
        });
    }
}

/// The URL of a key set that nobody on the way can put keys into.
fn url(settings: &RemoteKeySetSettings) -> Result<Url, KeySetUrlError> {
    let url = Url::parse(&settings.url).map_err(|_| KeySetUrlError::Url)?;
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
        let is_young = |fetched_at: Instant| fetched_at.elapsed() < self.longest_age;
        keys.fetched_at.is_some_and(is_young).then_some(keys.version)
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
        self.look(LOOK_INTERVAL).await
    }
}

#[async_trait]
impl Readiness for RemoteKeySet {
    fn name(&self) -> &'static str {
        "keys"
    }

    /// Whether a key set was fetched, and not too long ago.
    async fn is_ready(&self) -> bool {
        self.version().is_some()
    }
}

struct WhenDue(Arc<RemoteKeySet>);

#[async_trait]
impl KeySetSource for WhenDue {
    async fn refresh(&self) -> bool {
        self.0.look(FRESH_FOR).await
    }
}

#[cfg(test)]
mod tests;
