use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;

use actix_web::App;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::{TestRequest, call_service, init_service};
use adapter_http::{Api, ApiSettings, LoginGuardSettings};
use domain::sessions::AccessToken;
use ports::sessions::{SigningError, TokenSigner};

use super::test_app::{TestApp, TestResponse, basic, post, raw_body, secret_of};

const WRONG: &str = r#"401 [{"code":"02","message":"the client name or secret is not right"}]"#;
const TOO_MANY: &str = r#"429 [{"code":"32","message":"too many failed logins of this client or from this address"}]"#;

const HERE: &str = "203.0.113.1";
const ELSEWHERE: &str = "203.0.113.2";

fn settings_allowing(app: &TestApp, client: u32, network: u32) -> ApiSettings {
    ApiSettings {
        login_guard: LoginGuardSettings {
            failures_per_client: NonZeroU32::new(client).unwrap(),
            failures_per_peer: NonZeroU32::new(network).unwrap(),
        },
        ..app.settings.clone()
    }
}

/// Returns a function that sends requests to one application, so that its guard counts all of them.
async fn sender(app: &TestApp, client: u32, network: u32) -> impl AsyncFn(TestRequest) -> TestResponse {
    sender_to(&app.api, settings_allowing(app, client, network)).await
}

async fn sender_to(api: &Api, settings: ApiSettings) -> impl AsyncFn(TestRequest) -> TestResponse {
    let app = init_service(App::new().configure(|config| api.configure(&settings, config))).await;
    async move |request| TestResponse::read(call_service(&app, request.to_request()).await).await
}

fn login(from: &str, client: &str, secret: &str) -> TestRequest {
    login_without_credentials(from).insert_header((AUTHORIZATION, basic(client, secret)))
}

fn login_without_credentials(from: &str) -> TestRequest {
    let peer = SocketAddr::new(from.parse().unwrap(), 4711);
    post("/client-identities/login").peer_addr(peer)
}

#[actix_web::test]
async fn only_the_failing_client_and_address_are_limited() {
    let app = TestApp::new().await;
    let send = sender(&app, 3, 100).await;
    for _ in 0..3 {
        assert_eq!(send(login(HERE, "portal", "wrong")).await.status_and_body(), WRONG);
    }
    for secret in ["wrong", &secret_of("portal")] {
        let response = send(login(HERE, "portal", secret)).await;
        assert_eq!(response.status_and_body(), TOO_MANY);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=20).contains(&wait), "three a minute: {wait}");
    }
    for (from, client) in [(HERE, "shop"), (ELSEWHERE, "portal"), (ELSEWHERE, "shop")] {
        assert_eq!(
            send(login(from, client, &secret_of(client))).await.status,
            200,
            "{client} at {from}"
        );
    }
}

#[actix_web::test]
async fn an_address_with_many_failures_is_refused() {
    let app = TestApp::new().await;
    let send = sender(&app, 100, 4).await;
    let encoded = "cG9ydGFs";
    for request in [
        login_without_credentials(HERE),
        login_without_credentials(HERE).insert_header((AUTHORIZATION, format!("Basic {encoded}"))),
        login(HERE, "nobody", "wrong"),
        login(HERE, &"x".repeat(4_000), "wrong"),
    ] {
        assert_eq!(send(request).await.status_and_body(), WRONG);
    }
    assert_eq!(send(login_without_credentials(HERE)).await.status_and_body(), TOO_MANY);
    let right = secret_of("portal");
    assert_eq!(send(login(HERE, "portal", &right)).await.status_and_body(), TOO_MANY);
    assert_eq!(send(login(ELSEWHERE, "portal", &right)).await.status, 200);
}

#[actix_web::test]
async fn responses_do_not_reveal_which_clients_exist() {
    let app = TestApp::new().await;
    let send = sender(&app, 3, 100).await;
    let mut by_client = Vec::new();
    for client in ["portal", "closed", "nobody", "not an id"] {
        let mut responses = Vec::new();
        for _ in 0..5 {
            let mut response = send(login(HERE, client, "wrong")).await;
            // On a slow machine the wait may already be a second shorter.
            for (_, value) in response.headers.iter_mut().filter(|(name, _)| name == "retry-after") {
                "…".clone_into(value);
            }
            response.headers.sort();
            responses.push((response.status_and_body(), response.headers));
        }
        by_client.push(responses);
    }
    assert_eq!(by_client[0].iter().filter(|(text, _)| text == TOO_MANY).count(), 2);
    for others in &by_client[1..] {
        assert_eq!(*others, by_client[0]);
    }
}

#[actix_web::test]
async fn only_a_wrong_secret_counts_as_a_failure() {
    let app = TestApp::new().await;
    let send = sender(&app, 1, 1).await;
    for _ in 0..3 {
        assert_eq!(send(login(HERE, "portal", &secret_of("portal"))).await.status, 200);
        let unreadable = raw_body(login(HERE, "portal", "wrong"), "application/json", "{");
        assert_eq!(send(unreadable).await.code(), (400, "01".to_owned()));
    }
    assert_eq!(send(login(HERE, "portal", "wrong")).await.status_and_body(), WRONG);
    assert_eq!(send(login(HERE, "portal", "wrong")).await.status_and_body(), TOO_MANY);
}

struct SignerWithoutKey;

impl TokenSigner for SignerWithoutKey {
    fn sign(&self, _: &AccessToken) -> Result<String, SigningError> {
        Err(SigningError("there is no key"))
    }
}

#[actix_web::test]
async fn a_server_error_does_not_count_as_a_failure() {
    let app = TestApp::new().await;
    let api = Api {
        tokens: Some(app.tokens_signed_by(Arc::new(SignerWithoutKey))),
        ..app.api.clone()
    };
    let send = sender_to(&api, settings_allowing(&app, 1, 1)).await;
    for _ in 0..3 {
        let response = send(login(HERE, "portal", &secret_of("portal"))).await;
        assert_eq!(response.code(), (500, "99".to_owned()));
    }
}

#[actix_web::test]
async fn only_trusted_proxies_set_the_address() {
    let app = TestApp::new().await;
    let send = sender(&app, 100, 2).await;
    let from = |peer: &str, written: &str| {
        let request = login(peer, "portal", "wrong").insert_header(("x-forwarded-for", written));
        request.insert_header(("forwarded", format!("for={written}")))
    };
    let proxy = "10.0.0.1";
    for (peer, written, expected) in [
        (HERE, "198.51.100.1", WRONG),
        (HERE, "198.51.100.2", WRONG),
        (HERE, "198.51.100.3", TOO_MANY),
        (proxy, "198.51.100.1", WRONG),
        (proxy, "198.51.100.9, 198.51.100.1", WRONG),
        (proxy, "198.51.100.8, 198.51.100.1", TOO_MANY),
        (proxy, "198.51.100.2", WRONG),
        (proxy, HERE, TOO_MANY),
    ] {
        assert_eq!(
            send(from(peer, written)).await.status_and_body(),
            expected,
            "{written} by {peer}"
        );
    }
}

/// Logs in with a wrong secret on a new connection and returns the status.
fn fail_login(server: SocketAddr) -> u16 {
    let mut connection = TcpStream::connect(server).unwrap();
    let credentials = basic("portal", "wrong");
    let request = format!(
        "POST /security/iam/v1/client-identities/login HTTP/1.1\r\nhost: authme\r\nauthorization: {credentials}\r\n\
         connection: close\r\ncontent-length: 0\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    response.split(' ').nth(1).unwrap().parse().unwrap()
}

#[actix_web::test]
async fn all_workers_share_the_guard() {
    let app = TestApp::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut settings = settings_allowing(&app, 4, 100);
    settings.http.workers = 3;
    let server = adapter_http::serve(app.api.clone(), settings, listener).unwrap();
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    let statuses = tokio::task::spawn_blocking(move || [(); 6].map(|()| fail_login(address)));
    assert_eq!(statuses.await.unwrap(), [401, 401, 401, 401, 429, 429]);
    handle.stop(false).await;
    serving.await.unwrap().unwrap();
}
