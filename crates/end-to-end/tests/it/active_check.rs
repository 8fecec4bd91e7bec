//! A token that has ended is refused by every service, whichever of them, or whichever command, ended it.

use std::time::Duration;

use end_to_end::{Caller, Installation, Options, Servers, Service};
use serde_json::json;
use tokio::time::sleep;

const ADMINISTRATOR: &str = "root@br.example.com";

/// A change of a client is seen within two seconds; what comes later fails the test by far.
const PATIENCE: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn a_token_that_has_ended_is_refused_by_every_service(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let cast = installation.cast().await;
    installation
        .user(ADMINISTRATOR, &["--role", "IAM_ADMIN_MAINTENANCE"])
        .await;
    let user = installation.user("ana@br.example.com", &[]).await;
    let _services = installation.start_all(&Options::default()).await;
    let caller = installation.caller();

    let session = caller.session(&cast, ADMINISTRATOR).await;
    let (access, refresh) = (session.text("accessToken"), session.text("refreshToken"));
    assert_eq!(
        refusals(&caller, &access, &user).await,
        [(204, None), (404, Some("05"))]
    );
    let log_out = caller.request(Service::Tokens, "POST", "/user-identities/me/revoke-token", &[]);
    let log_out = log_out.bearer(&access).json(&json!({"token": refresh}));
    log_out.answer().await.with_status(200);
    assert_eq!(refusals(&caller, &access, &user).await, [(401, Some("02")); 2]);

    let desk = caller.client_token(&cast.desk).await;
    caller.lock(&desk, &user).answer().await.with_status(204);
    installation.operator(&["client", "disable", "desk"]).await;
    let mut tries = 0;
    while caller.lock(&desk, &user).answer().await.status != 401 {
        tries += 1;
        assert!(tries < PATIENCE, "the disabled client still locks");
        sleep(PAUSE).await;
    }
    installation.operator(&["client", "enable", "desk"]).await;
    let again = loop {
        let login = caller.client_login(&cast.desk).answer().await;
        if login.status == 200 {
            break login.text("accessToken");
        }
        sleep(PAUSE).await;
    };
    let before = caller.lock(&desk, &user).answer().await;
    assert_eq!(before.refusal(), (401, "02".to_owned()));
    // Who still remembers it as disabled learns better within the same time.
    while caller.lock(&again, &user).answer().await.status != 204 {
        tries += 1;
        assert!(tries < PATIENCE, "the client that was enabled again locks nobody");
        sleep(PAUSE).await;
    }
}

/// What the service of the locks and that of the contacts say to an administrator.
async fn refusals(caller: &Caller, bearer: &str, user: &str) -> [(u16, Option<&'static str>); 2] {
    let path = format!("/user-identities/{user}/authentication-factors/none");
    let remove = caller.request(Service::Factors, "DELETE", &path, &[]).bearer(bearer);
    let mut told = Vec::new();
    for request in [caller.lock(bearer, user), remove] {
        let answer = request.answer().await;
        let code = ["02", "05"]
            .into_iter()
            .find(|code| answer.body.contains(&format!("\"code\":\"{code}\"")));
        told.push((answer.status, code));
    }
    told.try_into().expect("two were asked")
}
