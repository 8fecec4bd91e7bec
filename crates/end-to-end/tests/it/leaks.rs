//! Nothing leaks (04-promises C14): no secret and no unmasked contact in what a service logs.

use std::fs;

use end_to_end::{Answer, Caller, Cast, ClientLogin, Installation, Options, Servers, Service};
use serde_json::{Value, json};

const ANA: &str = "ana.souza@br.example.com";
const ADDED: &str = "987654321";
const UNKNOWN: &str = "nobody.knows.this@example.edu";
const REASON: &str = "asked.by.mail@example.net";

pub(crate) async fn no_log_holds_a_secret_or_a_contact(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let cast = installation.cast().await;
    let ana = installation.user(ANA, &[]).await;
    let options = Options::default().setting("log.filter", "trace");
    let services = installation.start_all(&options).await;
    let mut secrets = Secrets::default();
    for client in [&cast.gateway, &cast.portal, &cast.desk] {
        secrets.0.push(client.secret.clone());
    }
    let refresh_keys = fs::read_to_string(installation.folder().join("refresh-keys")).expect("the keys");
    secrets.0.push(refresh_keys.trim().to_owned());

    tell_a_story(&installation.caller(), &cast, &ana, &mut secrets).await;
    tokio::join!(
        services.tokens.terminate(),
        services.factors.terminate(),
        services.credential_lock.terminate()
    );

    let log = installation.everything_logged();
    assert!(
        log.lines().count() > 100,
        "the logs tell too little to be tried:\n{log}"
    );
    assert!(secrets.0.len() > 15, "the story has too few secrets");
    for secret in secrets
        .0
        .iter()
        .map(String::as_str)
        .chain([ANA, ADDED, UNKNOWN, REASON])
    {
        assert!(!log.contains(secret), "a log holds {secret}");
    }
}

/// Whatever opens something.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    /// Each token whole, and its last part, which is a signature, a MAC or chance.
    fn keep(&mut self, answer: &Answer) -> Value {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
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
        let answer = caller.client_login(client).answer().await.with_status(200);
        self.keep(&answer);
        answer.text("accessToken")
    }
}

/// What a day brings, good and bad.
async fn tell_a_story(caller: &Caller, cast: &Cast, ana: &str, secrets: &mut Secrets) {
    let wrong = ClientLogin {
        id: "portal".to_owned(),
        secret: cast.desk.secret.clone(),
    };
    caller.client_login(&wrong).answer().await.with_status(401);
    let gateway = secrets.log_in(caller, &cast.gateway).await;
    let portal = secrets.log_in(caller, &cast.portal).await;
    let desk = secrets.log_in(caller, &cast.desk).await;

    let hand_off = async |email: &str| {
        let body = json!({"email": email, "groups": [email], "fullName": email});
        caller.hand_off(&gateway, "portal", &body).answer().await
    };
    hand_off(UNKNOWN).await.with_status(412);
    let handed = hand_off(ANA).await.with_status(200);
    let validation = secrets.keep(&handed)["validationToken"]
        .as_str()
        .expect("a ticket")
        .to_owned();
    let session = caller.renew(&portal, &validation, true).answer().await.with_status(200);
    let first = secrets.keep(&session)["refreshToken"]
        .as_str()
        .expect("a session")
        .to_owned();
    let second = caller.renew(&portal, &first, true).answer().await.with_status(200);
    let second = secrets.keep(&second)["refreshToken"]
        .as_str()
        .expect("a session")
        .to_owned();
    caller
        .renew(&portal, &format!("{second}0"), true)
        .answer()
        .await
        .with_status(401);
    caller.renew(&portal, &validation, true).answer().await.with_status(401);
    caller
        .renew_with(&portal, &[("token", &second), ("clientId", ANA)])
        .answer()
        .await
        .with_status(400);

    let access = session.text("accessToken");
    manage_contacts(caller, (&portal, &access), ana).await;
    lock_and_unlock(caller, &desk, ana).await;
    caller.renew(&portal, &second, true).answer().await.with_status(401);
}

async fn manage_contacts(caller: &Caller, (portal, access): (&str, &str), ana: &str) {
    let contact = json!({
        "id": "second",
        "contactType": "MOBILE",
        "mobile": {"regionCode": 55, "areaCode": 11, "phoneNumber": ADDED},
    });
    let unfit = json!({"id": "third", "contactType": "EMAIL", "email": UNKNOWN});
    let added = caller
        .add_contacts(portal, ana, &json!([contact, unfit]))
        .answer()
        .await;
    added.with_status(207);
    let added = caller.add_contacts(portal, UNKNOWN, &json!([contact])).answer().await;
    added.with_status(400);
    caller.own_contacts(access).answer().await.with_status(200);
    let forged = format!("{access}0");
    caller.own_contacts(&forged).answer().await.with_status(401);
}

async fn lock_and_unlock(caller: &Caller, desk: &str, ana: &str) {
    let order = caller.request(Service::CredentialLock, "POST", "/user-identities/lock", &[]);
    let order = order.bearer(desk).json(&json!({"userId": ana, "reason": REASON}));
    order.answer().await.with_status(204);
    caller.lock(desk, UNKNOWN).answer().await.with_status(400);
    caller.unlock(desk, ana).answer().await.with_status(204);
}
