use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;

use actix_web::App;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::{TestRequest, call_service, init_service};
use adapter_http::{Api, ApiSettings, LoginGuardSettings};
use domain::tokens::AccessToken;
use ports::tokens::{SigningError, TokenSigner};
use use_cases::tokens::{TokensPorts, TokensSettings, TokensUseCases};

use super::test_app::{Answer, TestApp, basic, post, raw_body, secret_of};

const WRONG: &str = r#"401 [{"code":"02","message":"the client name or secret is not right"}]"#;
const TOO_MANY: &str = r#"429 [{"code":"32","message":"too many logins failed"}]"#;

const HERE: &str = "203.0.113.1";
const ELSEWHERE: &str = "203.0.113.2";

fn allowing(app: &TestApp, client: u32, peer: u32) -> ApiSettings {
    ApiSettings {
        login_guard: LoginGuardSettings {
            failures_per_client: NonZeroU32::new(client).unwrap(),
            failures_per_peer: NonZeroU32::new(peer).unwrap(),
        },
        ..app.settings.clone()
    }
}

/// What asks one application, whose guard remembers.
async fn guarded(app: &TestApp, client: u32, peer: u32) -> impl AsyncFn(TestRequest) -> Answer {
    serving(&app.api, allowing(app, client, peer)).await
}

async fn serving(api: &Api, settings: ApiSettings) -> impl AsyncFn(TestRequest) -> Answer {
    let app = init_service(App::new().configure(|config| api.configure(&settings, config))).await;
    async move |request| Answer::of(call_service(&app, request.to_request()).await).await
}

fn login(from: &str, client: &str, secret: &str) -> TestRequest {
    nameless(from).insert_header((AUTHORIZATION, basic(client, secret)))
}

fn nameless(from: &str) -> TestRequest {
    let peer = SocketAddr::new(from.parse().unwrap(), 4711);
    post("/client-identities/login").peer_addr(peer)
}

#[actix_web::test]
async fn after_too_many_failures_no_secret_is_judged_there_and_every_other_login_is() {
    let app = TestApp::new().await;
    let ask = guarded(&app, 3, 100).await;
    for _ in 0..3 {
        assert_eq!(ask(login(HERE, "portal", "wrong")).await.shown(), WRONG);
    }
    for secret in ["wrong", &secret_of("portal")] {
        let answer = ask(login(HERE, "portal", secret)).await;
        assert_eq!(answer.shown(), TOO_MANY);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=20).contains(&wait), "three a minute: {wait}");
    }
    for (from, client) in [(HERE, "shop"), (ELSEWHERE, "portal"), (ELSEWHERE, "shop")] {
        assert_eq!(
            ask(login(from, client, &secret_of(client))).await.status,
            200,
            "{client} at {from}"
        );
    }
}

#[actix_web::test]
async fn an_address_that_fails_too_often_is_refused_whatever_it_names() {
    let app = TestApp::new().await;
    let ask = guarded(&app, 100, 4).await;
    let encoded = "cG9ydGFs";
    for request in [
        nameless(HERE),
        nameless(HERE).insert_header((AUTHORIZATION, format!("Basic {encoded}"))),
        login(HERE, "nobody", "wrong"),
        login(HERE, &"x".repeat(4_000), "wrong"),
    ] {
        assert_eq!(ask(request).await.shown(), WRONG);
    }
    assert_eq!(ask(nameless(HERE)).await.shown(), TOO_MANY);
    let right = secret_of("portal");
    assert_eq!(ask(login(HERE, "portal", &right)).await.shown(), TOO_MANY);
    assert_eq!(ask(login(ELSEWHERE, "portal", &right)).await.status, 200);
}

#[actix_web::test]
async fn which_clients_exist_is_not_told() {
    let app = TestApp::new().await;
    let ask = guarded(&app, 3, 100).await;
    let mut told = Vec::new();
    for client in ["portal", "closed", "nobody", "not an id"] {
        let mut answers = Vec::new();
        for _ in 0..5 {
            let mut answer = ask(login(HERE, client, "wrong")).await;
            // It may be a second less where the machine was slow.
            for (_, value) in answer.headers.iter_mut().filter(|(name, _)| name == "retry-after") {
                "…".clone_into(value);
            }
            answer.headers.sort();
            answers.push((answer.shown(), answer.headers));
        }
        told.push(answers);
    }
    assert_eq!(told[0].iter().filter(|(shown, _)| shown == TOO_MANY).count(), 2);
    for others in &told[1..] {
        assert_eq!(*others, told[0]);
    }
}

#[actix_web::test]
async fn only_a_secret_that_is_not_right_counts() {
    let app = TestApp::new().await;
    let ask = guarded(&app, 1, 1).await;
    for _ in 0..3 {
        assert_eq!(ask(login(HERE, "portal", &secret_of("portal"))).await.status, 200);
        let unreadable = raw_body(login(HERE, "portal", "wrong"), "application/json", "{");
        assert_eq!(ask(unreadable).await.code(), (400, "01".to_owned()));
    }
    assert_eq!(ask(login(HERE, "portal", "wrong")).await.shown(), WRONG);
    assert_eq!(ask(login(HERE, "portal", "wrong")).await.shown(), TOO_MANY);
}

struct NoKey;

impl TokenSigner for NoKey {
    fn sign(&self, _: &AccessToken) -> Result<String, SigningError> {
        Err(SigningError("there is no key"))
    }
}

#[actix_web::test]
async fn a_login_that_fails_on_our_side_does_not_count() {
    let app = TestApp::new().await;
    let ports = TokensPorts {
        signer: Arc::new(NoKey),
        ..app.ports.clone()
    };
    let api = Api {
        tokens: Some(Arc::new(TokensUseCases::new(&ports, &TokensSettings::default()))),
        ..app.api.clone()
    };
    let ask = serving(&api, allowing(&app, 1, 1)).await;
    for _ in 0..3 {
        let answer = ask(login(HERE, "portal", &secret_of("portal"))).await;
        assert_eq!(answer.code(), (500, "99".to_owned()));
    }
}

#[actix_web::test]
async fn an_address_is_not_what_its_caller_writes_but_what_a_trusted_proxy_does() {
    let app = TestApp::new().await;
    let ask = guarded(&app, 100, 2).await;
    let from = |peer: &str, written: &str| {
        let request = login(peer, "portal", "wrong").insert_header(("x-forwarded-for", written));
        request.insert_header(("forwarded", format!("for={written}")))
    };
    let proxy = "10.0.0.1";
    for (peer, written, told) in [
        (HERE, "198.51.100.1", WRONG),
        (HERE, "198.51.100.2", WRONG),
        (HERE, "198.51.100.3", TOO_MANY),
        (proxy, "198.51.100.1", WRONG),
        (proxy, "198.51.100.9, 198.51.100.1", WRONG),
        (proxy, "198.51.100.8, 198.51.100.1", TOO_MANY),
        (proxy, "198.51.100.2", WRONG),
        (proxy, HERE, TOO_MANY),
    ] {
        assert_eq!(ask(from(peer, written)).await.shown(), told, "{written} by {peer}");
    }
}

/// Status of a login with a wrong secret, on a connection of its own.
fn status(server: SocketAddr) -> u16 {
    let mut connection = TcpStream::connect(server).unwrap();
    let credentials = basic("portal", "wrong");
    let request = format!(
        "POST /security/iam/v1/client-identities/login HTTP/1.1\r\nhost: authme\r\nauthorization: {credentials}\r\n\
         connection: close\r\ncontent-length: 0\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[actix_web::test]
async fn all_workers_count_together() {
    let app = TestApp::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let settings = ApiSettings {
        workers: 3,
        ..allowing(&app, 4, 100)
    };
    let server = adapter_http::serve(app.api.clone(), settings, listener).unwrap();
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    let statuses = tokio::task::spawn_blocking(move || [(); 6].map(|()| status(address)));
    assert_eq!(statuses.await.unwrap(), [401, 401, 401, 401, 429, 429]);
    handle.stop(false).await;
    serving.await.unwrap().unwrap();
}
