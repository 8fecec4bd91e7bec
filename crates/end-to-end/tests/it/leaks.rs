//! C14 of docs/promises.md: the logs of the services contain no secret and no unmasked contact.

use std::fs;

use end_to_end::{Caller, ClientLogin, Fixtures, Installation, Options, Response, Servers, Service};
use serde_json::{Value, json};

const ANA: &str = "ana.souza@br.example.com";
const ADDED: &str = "987654321";
const UNKNOWN: &str = "nobody.knows.this@example.edu";
/// The number of requests of the scenario. Each writes a log line.
const REQUESTS: usize = 19;
const REASON: &str = "asked.by.mail@example.net";

pub(crate) async fn logs_contain_no_secret_and_no_contact(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let fixtures = installation.register_fixtures().await;
    let ana = installation.register_user(ANA, &[]).await;
    let options = Options::default().setting("log.filter", "trace");
    let services = installation.start_all(&options).await;
    let mut secrets = Secrets::default();
    for client in [&fixtures.gateway, &fixtures.portal, &fixtures.desk] {
        secrets.0.push(client.secret.clone());
    }
    let refresh_keys = fs::read_to_string(installation.folder().join("refresh-keys")).expect("the keys");
    secrets.0.push(refresh_keys.trim().to_owned());

    run_scenario(&installation.caller(), &fixtures, &ana, &mut secrets).await;
    tokio::join!(
        services.tokens.terminate(),
        services.factors.terminate(),
        services.credential_lock.terminate()
    );

    let log = installation.all_logs();
    let requests = log.lines().filter(|line| line.contains("\"status\":")).count();
    assert!(requests >= REQUESTS, "the logs have {requests} requests:\n{log}");
    assert!(secrets.0.len() > 15, "the scenario has too few secrets");
    for secret in secrets
        .0
        .iter()
        .map(String::as_str)
        .chain([ANA, ADDED, UNKNOWN, REASON])
    {
        assert!(!log.contains(secret), "a log contains {secret}");
    }
}

/// Secrets, tokens and parts of tokens.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    /// Collects each token of a response, and its last part, which is a signature, a MAC or a random value.
    fn collect(&mut self, response: &Response) -> Value {
        let body: Value = serde_json::from_str(&response.body).unwrap_or_default();
        for name in ["accessToken", "refreshToken", "validationToken"] {
            if let Some(token) = body[name].as_str() {
                self.0.push(token.to_owned());
                let last = token.rsplit('.').next().expect("a part");
                self.0.push(last.trim_start_matches("vt_").to_owned());
            }
        }
        body
    }

    async fn log_in(&mut self, caller: &Caller, client: &ClientLogin) -> String {
        let response = caller.client_login(client).send().await.expect_status(200);
        self.collect(&response);
        response.text("accessToken")
    }
}

/// Sends valid and invalid requests of every kind.
async fn run_scenario(caller: &Caller, fixtures: &Fixtures, ana: &str, secrets: &mut Secrets) {
    let wrong = ClientLogin {
        id: "portal".to_owned(),
        secret: fixtures.desk.secret.clone(),
    };
    caller.client_login(&wrong).send().await.expect_status(401);
    let gateway = secrets.log_in(caller, &fixtures.gateway).await;
    let portal = secrets.log_in(caller, &fixtures.portal).await;
    let desk = secrets.log_in(caller, &fixtures.desk).await;

    let handle_auth = async |email: &str| {
        let body = json!({"email": email, "groups": [email], "fullName": email});
        caller.handle_auth(&gateway, "portal", &body).send().await
    };
    handle_auth(UNKNOWN).await.expect_status(412);
    let login = handle_auth(ANA).await.expect_status(200);
    let validation = secrets.collect(&login)["validationToken"]
        .as_str()
        .expect("a validation token")
        .to_owned();
    let session = caller.renew(&portal, &validation, true).send().await.expect_status(200);
    let first = secrets.collect(&session)["refreshToken"]
        .as_str()
        .expect("a session")
        .to_owned();
    let second = caller.renew(&portal, &first, true).send().await.expect_status(200);
    let second = secrets.collect(&second)["refreshToken"]
        .as_str()
        .expect("a session")
        .to_owned();
    caller
        .renew(&portal, &format!("{second}0"), true)
        .send()
        .await
        .expect_status(401);
    caller.renew(&portal, &validation, true).send().await.expect_status(401);
    caller
        .renew_with(&portal, &[("token", &second), ("clientId", ANA)])
        .send()
        .await
        .expect_status(400);

    let access = session.text("accessToken");
    manage_contacts(caller, (&portal, &access), ana).await;
    lock_and_unlock(caller, &desk, ana).await;
    caller.renew(&portal, &second, true).send().await.expect_status(401);
}

async fn manage_contacts(caller: &Caller, (portal, access): (&str, &str), ana: &str) {
    let contact = json!({
        "id": "second",
        "contactType": "MOBILE",
        "mobile": {"regionCode": 55, "areaCode": 11, "phoneNumber": ADDED},
    });
    let invalid = json!({"id": "third", "contactType": "EMAIL", "email": UNKNOWN});
    let added = caller
        .add_contacts(portal, ana, &json!([contact, invalid]))
        .send()
        .await;
    added.expect_status(207);
    let added = caller.add_contacts(portal, UNKNOWN, &json!([contact])).send().await;
    added.expect_status(400);
    caller.own_contacts(access).send().await.expect_status(200);
    let forged = format!("{access}0");
    caller.own_contacts(&forged).send().await.expect_status(401);
}

async fn lock_and_unlock(caller: &Caller, desk: &str, ana: &str) {
    let lock = caller.request(Service::CredentialLock, "POST", "/user-identities/lock", &[]);
    let lock = lock.bearer(desk).json(&json!({"userId": ana, "reason": REASON}));
    lock.send().await.expect_status(204);
    caller.lock(desk, UNKNOWN).send().await.expect_status(400);
    caller.unlock(desk, ana).send().await.expect_status(204);
}
