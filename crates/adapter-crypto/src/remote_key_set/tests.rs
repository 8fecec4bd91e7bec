use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::ClientId;
use domain::tokens::{AccessToken, AccessTokenSubject};
use ports::tokens::TokenSigner as _;
use ports::{MetricEvent, Telemetry, TokenVerificationError, TokenVerifier as _};
use tempfile::TempDir;

use super::*;
use crate::{KeyDirectory, KeyRing, Rs512Signer, TokenProfile, TokenType, VerifiedTokens};

/// What the server says; nothing to hang up instead.
type Answer = Option<(&'static str, String)>;

/// Serves one answer at a time, whatever is asked.
struct Server {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::default(),
            asked: Arc::default(),
        };
        let (answer, asked) = (server.answer.clone(), server.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                asked.fetch_add(1, Ordering::SeqCst);
                let answer = answer.lock().unwrap().clone();
                if let Some((status, body)) = answer {
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

    fn answers(&self, status: &'static str, body: &str) {
        *self.answer.lock().unwrap() = Some((status, body.to_owned()));
    }

    fn goes_away(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
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
        url: url.to_owned(),
        authorities: None,
        longest_age: Duration::from_hours(1),
        allow_insecure: false,
    }
}

struct NullTelemetry;

impl Telemetry for NullTelemetry {
    fn record(&self, _: MetricEvent) {}
}

fn now() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

/// A service `tokens` with a key of its own.
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

    /// The key that signs, with more members.
    fn jwk(&self, more: &str) -> String {
        let key = self.ring.signing_key(now()).unwrap().public_key(None);
        let [n, e] = [key.modulus, key.exponent].map(|integer| URL_SAFE_NO_PAD.encode(integer));
        format!(
            r#"{{"kty":"RSA","use":"sig","alg":"RS512","kid":"{}","n":"{n}","e":"{e}"{more}}}"#,
            key.id
        )
    }

    /// A token issued now.
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
async fn a_rotation_is_picked_up_and_what_was_verified_with_a_withdrawn_key_is_forgotten() {
    let (server, first, second) = (Server::start(), Issuer::new(), Issuer::new());
    let keys = server.key_set();
    let verifier = VerifiedTokens::new(keys.clone(), profile());
    let refusal = |issuer: &Issuer| verifier.verify(&issuer.token(), now()).err();
    assert_eq!(refusal(&first), Some(TokenVerificationError::KeysUnavailable));
    assert!(!keys.is_ready().await);

    server.answers("200 OK", &Issuer::key_set(&[&first]));
    assert!(keys.look(Duration::ZERO).await);
    assert!(keys.is_ready().await);
    assert_eq!(refusal(&first), None);
    assert_eq!(refusal(&second), Some(TokenVerificationError::UnknownKey));

    server.answers("200 OK", &Issuer::key_set(&[&first, &second]));
    assert!(keys.look(Duration::ZERO).await);
    assert_eq!((refusal(&first), refusal(&second)), (None, None));

    server.answers("200 OK", &Issuer::key_set(&[&second]));
    assert!(keys.look(Duration::ZERO).await);
    assert_eq!(
        (refusal(&first), refusal(&second)),
        (Some(TokenVerificationError::UnknownKey), None)
    );
}

#[tokio::test]
async fn the_last_good_set_stays_in_use() {
    let (server, issuer) = (Server::start(), Issuer::new());
    let keys = server.key_set();
    server.answers("200 OK", &Issuer::key_set(&[&issuer]));
    assert!(keys.look(Duration::ZERO).await);
    assert!(!keys.look(Duration::ZERO).await, "the same set is no change");

    let too_long = format!("{}{}", " ".repeat(LONGEST_ANSWER), Issuer::key_set(&[&issuer]));
    for (status, body) in [
        ("500 Internal Server Error", Issuer::key_set(&[])),
        ("302 Found", Issuer::key_set(&[])),
        ("200 OK", Issuer::key_set(&[])),
        ("200 OK", "<html></html>".to_owned()),
        ("200 OK", too_long),
    ] {
        server.answers(status, &body);
        assert!(!keys.look(Duration::ZERO).await, "{status}");
    }
    server.goes_away();
    assert!(!keys.look(Duration::ZERO).await);
    assert_eq!(server.asked(), 8, "no redirect is followed, nothing is asked twice");
    let verifier = VerifiedTokens::new(keys.clone(), profile());
    assert!(verifier.verify(&issuer.token(), now()).is_ok());
    assert!(keys.is_ready().await);
}

#[tokio::test]
async fn a_set_that_is_too_old_verifies_nothing() {
    let (server, issuer) = (Server::start(), Issuer::new());
    server.answers("200 OK", &Issuer::key_set(&[&issuer]));
    // The set is older than this as soon as it is there, and the other is not.
    let (old, young) = (server.key_set_of_age(Duration::ZERO), server.key_set());
    for (keys, judged) in [(old, Err(TokenVerificationError::KeysUnavailable)), (young, Ok(()))] {
        keys.look(Duration::ZERO).await;
        let verifier = VerifiedTokens::new(keys.clone(), profile());
        assert_eq!(verifier.verify(&issuer.token(), now()).map(drop), judged);
        assert_eq!(keys.is_ready().await, judged.is_ok());
    }
}

#[tokio::test]
async fn a_token_issued_after_its_key_was_retired_is_refused() {
    let (server, issuer) = (Server::start(), Issuer::new());
    let keys = server.key_set();
    let verifier = VerifiedTokens::new(keys.clone(), profile());
    let issued_at = now().as_second();
    for (retired_at, judged) in [
        (issued_at + 1, Ok(())),
        (issued_at, Err(TokenVerificationError::Invalid)),
        (issued_at - 1, Err(TokenVerificationError::Invalid)),
    ] {
        let jwk = issuer.jwk(&format!(r#","retired_at":{retired_at}"#));
        server.answers("200 OK", &format!(r#"{{"keys":[{jwk}]}}"#));
        assert!(keys.look(Duration::ZERO).await, "a retirement is a change of the set");
        assert_eq!(
            verifier.verify(&issuer.token(), now()).map(drop),
            judged,
            "{retired_at}"
        );
    }
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_at_once_but_not_for_every_token() {
    let (server, issuer) = (Server::start(), Issuer::new());
    server.answers("200 OK", &Issuer::key_set(&[&issuer]));
    let keys = server.key_set();
    let changed = [keys.refresh(), keys.refresh(), keys.refresh()];
    let [first, second, third] = changed;
    let (first, second, third) = tokio::join!(first, second, third);
    assert_eq!(
        (first, second, third),
        (true, true, true),
        "all wait for the one answer"
    );
    assert_eq!(server.asked(), 1);
    keys.when_due().refresh().await;
    assert_eq!(server.asked(), 1, "what is fresh is not due");
}

fn refusal(settings: &RemoteKeySetSettings) -> KeySetUrlError {
    RemoteKeySet::new(settings).err().unwrap()
}

#[test]
fn a_url_with_a_password_or_of_another_kind_is_refused_without_showing_it() {
    for url in [
        "ftp://tokens/keys",
        "file:///keys",
        "tokens:8080/keys",
        "http://somebody@tokens/keys",
        "https://somebody:hunter2@tokens/keys",
    ] {
        let refused = refusal(&settings(url));
        assert!(matches!(refused, KeySetUrlError::Url), "{url}");
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    }
    let refused = refusal(&RemoteKeySetSettings {
        authorities: Some(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----".to_vec()),
        ..settings("https://tokens/keys")
    });
    assert!(matches!(refused, KeySetUrlError::Certificates(_)));
}

#[test]
fn plain_http_to_another_machine_needs_a_word() {
    for url in [
        "http://tokens:8080/keys",
        "http://10.0.0.1/keys",
        "http://localhost.example.com/keys",
    ] {
        let refused = refusal(&settings(url)).to_string();
        assert!(refused.contains("`keys.allow_insecure = true`"), "{refused}");
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
