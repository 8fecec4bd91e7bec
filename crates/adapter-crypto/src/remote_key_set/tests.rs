use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::ClientId;
use domain::sessions::{AccessToken, AccessTokenSubject};
use ports::sessions::TokenSigner as _;
use ports::{MetricEvent, Telemetry, TokenVerificationError, TokenVerifier as _};
use tempfile::TempDir;

use super::*;
use crate::{CachingTokenVerifier, KeyDirectory, KeyRing, Rs512Signer, TokenProfile, TokenType};

/// The status line and body; `None` closes the connection without a response.
type Response = Option<(&'static str, String)>;

/// An HTTP server that sends the same response to every request and counts the requests.
struct Server {
    address: SocketAddr,
    response: Arc<Mutex<Response>>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            response: Arc::default(),
            requests: Arc::default(),
        };
        let (response, requests) = (server.response.clone(), server.requests.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                requests.fetch_add(1, Ordering::SeqCst);
                let response = response.lock().unwrap().clone();
                if let Some((status, body)) = response {
                    let _ = stream.read(&mut [0; 4096]);
                    let length = body.len();
                    let _ = write!(
                        stream,
                        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nlocation: /\r\nconnection: close\r\n\r\n{body}"
                    );
                }
            }
        });
        server
    }

    fn respond_with(&self, status: &'static str, body: &str) {
        *self.response.lock().unwrap() = Some((status, body.to_owned()));
    }

    fn close_connections(&self) {
        *self.response.lock().unwrap() = None;
    }

    fn request_count(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn key_set(&self) -> Arc<RemoteKeySet> {
        self.key_set_of_age(Duration::from_hours(1))
    }

    fn key_set_of_age(&self, longest_age: Duration) -> Arc<RemoteKeySet> {
        let settings = RemoteKeySetSettings {
            longest_age,
            ..settings(&format!("http://{}/keys", self.address))
        };
        Arc::new(RemoteKeySet::new(&settings).unwrap())
    }
}

fn settings(url: &str) -> RemoteKeySetSettings {
    RemoteKeySetSettings {
        url: Some(url.to_owned()),
        ..RemoteKeySetSettings::default()
    }
}

struct NullTelemetry;

impl Telemetry for NullTelemetry {
    fn record(&self, _: MetricEvent) {}
}

fn now() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

/// A service `tokens` with its own signing key.
struct Issuer {
    ring: Arc<KeyRing>,
    _folder: TempDir,
}

impl Issuer {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(Timestamp::UNIX_EPOCH).unwrap();
        Self {
            ring: Arc::new(KeyRing::open(directory, Duration::from_hours(1)).unwrap()),
            _folder: folder,
        }
    }

    fn key_set(issuers: &[&Self]) -> String {
        let keys: Vec<String> = issuers.iter().map(|issuer| issuer.jwk("")).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    /// Returns the JWK of the signing key, with additional members.
    fn jwk(&self, more: &str) -> String {
        let key = self.ring.signing_key(now()).unwrap().public_key(None);
        let [n, e] = [key.modulus, key.exponent].map(|integer| URL_SAFE_NO_PAD.encode(integer));
        format!(
            r#"{{"kty":"RSA","use":"sig","alg":"RS512","kid":"{}","n":"{n}","e":"{e}"{more}}}"#,
            key.id
        )
    }

    /// Returns a token issued at [`now`].
    fn token(&self) -> String {
        let token = AccessToken {
            id: "a".repeat(24),
            client_epoch: 0,
            subject: AccessTokenSubject::Client,
            client: ClientId::parse("tester").unwrap(),
            roles: Vec::new(),
            scopes: Vec::new(),
            issued_at: now(),
            expires_at: now().checked_add(Duration::from_mins(5)).unwrap(),
        };
        let signer = Rs512Signer::new(self.ring.clone(), profile(), Arc::new(NullTelemetry));
        signer.sign(&token).unwrap()
    }
}

fn profile() -> TokenProfile {
    TokenProfile {
        issuer: "https://authme.test".to_owned(),
        audience: "authme".to_owned(),
        token_type: TokenType::AccessToken,
        longest_life: Duration::from_hours(1),
    }
}

#[tokio::test]
async fn a_changed_key_set_applies_to_cached_tokens() {
    let (server, first, second) = (Server::start(), Issuer::new(), Issuer::new());
    let keys = server.key_set();
    let verifier = CachingTokenVerifier::new(keys.clone(), profile());
    let error = |issuer: &Issuer| verifier.verify(&issuer.token(), now()).err();
    assert_eq!(error(&first), Some(TokenVerificationError::KeysUnavailable));
    assert!(!keys.is_ready().await);

    server.respond_with("200 OK", &Issuer::key_set(&[&first]));
    assert!(keys.fetch_if_due(Duration::ZERO).await);
    assert!(keys.is_ready().await);
    assert_eq!(error(&first), None);
    assert_eq!(error(&second), Some(TokenVerificationError::UnknownKey));

    server.respond_with("200 OK", &Issuer::key_set(&[&first, &second]));
    assert!(keys.fetch_if_due(Duration::ZERO).await);
    assert_eq!((error(&first), error(&second)), (None, None));

    server.respond_with("200 OK", &Issuer::key_set(&[&second]));
    assert!(keys.fetch_if_due(Duration::ZERO).await);
    assert_eq!(
        (error(&first), error(&second)),
        (Some(TokenVerificationError::UnknownKey), None)
    );
}

#[tokio::test]
async fn the_last_good_set_stays_in_use() {
    let (server, issuer) = (Server::start(), Issuer::new());
    let keys = server.key_set();
    server.respond_with("200 OK", &Issuer::key_set(&[&issuer]));
    assert!(keys.fetch_if_due(Duration::ZERO).await);
    assert!(!keys.fetch_if_due(Duration::ZERO).await, "the same set is not a change");

    let too_long = format!("{}{}", " ".repeat(MAX_RESPONSE_BYTES), Issuer::key_set(&[&issuer]));
    for (status, body) in [
        ("500 Internal Server Error", Issuer::key_set(&[])),
        ("302 Found", Issuer::key_set(&[])),
        ("200 OK", Issuer::key_set(&[])),
        ("200 OK", "<html></html>".to_owned()),
        ("200 OK", too_long),
    ] {
        server.respond_with(status, &body);
        assert!(!keys.fetch_if_due(Duration::ZERO).await, "{status}");
    }
    server.close_connections();
    assert!(!keys.fetch_if_due(Duration::ZERO).await);
    assert_eq!(
        server.request_count(),
        8,
        "redirects are not followed, and requests are not repeated"
    );
    let verifier = CachingTokenVerifier::new(keys.clone(), profile());
    assert!(verifier.verify(&issuer.token(), now()).is_ok());
    assert!(keys.is_ready().await);
}

#[tokio::test]
async fn a_set_past_its_longest_age_verifies_nothing() {
    let (server, issuer) = (Server::start(), Issuer::new());
    server.respond_with("200 OK", &Issuer::key_set(&[&issuer]));
    // A longest age of zero has passed as soon as the set is stored.
    let (old, young) = (server.key_set_of_age(Duration::ZERO), server.key_set());
    for (keys, expected) in [(old, Err(TokenVerificationError::KeysUnavailable)), (young, Ok(()))] {
        keys.fetch_if_due(Duration::ZERO).await;
        let verifier = CachingTokenVerifier::new(keys.clone(), profile());
        assert_eq!(verifier.verify(&issuer.token(), now()).map(drop), expected);
        assert_eq!(keys.is_ready().await, expected.is_ok());
    }
}

#[tokio::test]
async fn a_token_issued_after_retirement_is_rejected() {
    let (server, issuer) = (Server::start(), Issuer::new());
    let keys = server.key_set();
    let verifier = CachingTokenVerifier::new(keys.clone(), profile());
    let issued_at = now().as_second();
    for (retired_at, expected) in [
        (issued_at + 1, Ok(())),
        (issued_at, Err(TokenVerificationError::Invalid)),
        (issued_at - 1, Err(TokenVerificationError::Invalid)),
    ] {
        let jwk = issuer.jwk(&format!(r#","retired_at":{retired_at}"#));
        server.respond_with("200 OK", &format!(r#"{{"keys":[{jwk}]}}"#));
        assert!(keys.fetch_if_due(Duration::ZERO).await, "a retirement changes the set");
        assert_eq!(
            verifier.verify(&issuer.token(), now()).map(drop),
            expected,
            "{retired_at}"
        );
    }
}

#[tokio::test]
async fn parallel_refreshes_share_one_fetch() {
    let (server, issuer) = (Server::start(), Issuer::new());
    server.respond_with("200 OK", &Issuer::key_set(&[&issuer]));
    let keys = server.key_set();
    let results = tokio::join!(keys.refresh(), keys.refresh(), keys.refresh());
    assert_eq!(results, (true, true, true), "all wait for the same fetch");
    assert_eq!(server.request_count(), 1);
    keys.when_due().refresh().await;
    assert_eq!(server.request_count(), 1, "a fresh set is not due");
}

fn settings_error(settings: &RemoteKeySetSettings) -> KeySetUrlError {
    RemoteKeySet::new(settings).err().unwrap()
}

#[test]
fn invalid_urls_are_rejected_without_showing_secrets() {
    for url in [
        "ftp://tokens/keys",
        "file:///keys",
        "tokens:8080/keys",
        "http://user@tokens/keys",
        "https://user:hunter2@tokens/keys",
    ] {
        let error = settings_error(&settings(url));
        assert!(matches!(error, KeySetUrlError::Url), "{url}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        ca_file.path(),
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
    )
    .unwrap();
    let with_ca_file = |path: &Path| {
        settings_error(&RemoteKeySetSettings {
            ca_file: Some(path.to_path_buf()),
            ..settings("https://tokens/keys")
        })
    };
    assert!(matches!(with_ca_file(ca_file.path()), KeySetUrlError::Certificates(_)));
    assert!(matches!(with_ca_file(Path::new("/nowhere")), KeySetUrlError::CaFile(_)));
}

#[test]
fn plain_http_to_another_machine_needs_allow_insecure() {
    for url in [
        "http://tokens:8080/keys",
        "http://10.0.0.1/keys",
        "http://localhost.example.com/keys",
    ] {
        let message = settings_error(&settings(url)).to_string();
        assert!(message.contains("`keys.allow_insecure = true`"), "{message}");
        let allowed = RemoteKeySetSettings {
            allow_insecure: true,
            ..settings(url)
        };
        assert!(RemoteKeySet::new(&allowed).is_ok(), "{url}");
    }
    for url in [
        "http://localhost/keys",
        "http://127.0.0.1:1/keys",
        "http://[::1]:1/keys",
    ] {
        assert!(RemoteKeySet::new(&settings(url)).is_ok(), "{url}");
    }
}
