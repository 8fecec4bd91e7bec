//! Every service rejects a token that is no longer active, no matter which service or command revoked it.

use std::time::Duration;

use end_to_end::{Caller, Installation, Options, Servers, Service};
use serde_json::json;
use tokio::time::sleep;

const ADMINISTRATOR: &str = "root@br.example.com";

/// The number of attempts until a change to a client takes effect. Services read the change within two seconds; the
/// attempts last ten seconds.
const ATTEMPTS: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn every_service_rejects_an_inactive_token(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let fixtures = installation.register_fixtures().await;
    installation
        .register_user(ADMINISTRATOR, &["--role", "IAM_ADMIN_MAINTENANCE"])
        .await;
    let user = installation.register_user("ana@br.example.com", &[]).await;
    let _services = installation.start_all(&Options::default()).await;
    let caller = installation.caller();

    let session = caller.start_session(&fixtures, ADMINISTRATOR).await;
    let (access, refresh) = (session.text("accessToken"), session.text("refreshToken"));
    assert_eq!(
        status_and_codes(&caller, &access, &user).await,
        [(204, None), (404, Some("05"))]
    );
    let log_out = caller.request(Service::Tokens, "POST", "/user-identities/me/revoke-token", &[]);
    let log_out = log_out.bearer(&access).json(&json!({"token": refresh}));
    log_out.send().await.expect_status(200);
    assert_eq!(status_and_codes(&caller, &access, &user).await, [(401, Some("02")); 2]);

    let desk = caller.client_token(&fixtures.desk).await;
    caller.lock(&desk, &user).send().await.expect_status(204);
    installation.operate(&["client", "disable", "desk"]).await;
    let mut attempts = 0;
    while caller.lock(&desk, &user).send().await.status != 401 {
        attempts += 1;
        assert!(attempts < ATTEMPTS, "the disabled client still locks");
        sleep(PAUSE).await;
    }
    installation.operate(&["client", "enable", "desk"]).await;
    let new_token = loop {
        let login = caller.client_login(&fixtures.desk).send().await;
        if login.status == 200 {
            break login.text("accessToken");
        }
        sleep(PAUSE).await;
    };
    let with_old_token = caller.lock(&desk, &user).send().await;
    assert_eq!(with_old_token.status_and_code(), (401, "02".to_owned()));
    // The service may still have the disabled client in its cache.
    while caller.lock(&new_token, &user).send().await.status != 204 {
        attempts += 1;
        assert!(attempts < ATTEMPTS, "the re-enabled client cannot lock");
        sleep(PAUSE).await;
    }
}

/// Returns how `credential-lock` and `factors` respond to an administrator.
async fn status_and_codes(caller: &Caller, bearer: &str, user: &str) -> [(u16, Option<&'static str>); 2] {
    let path = format!("/user-identities/{user}/authentication-factors/none");
    let remove = caller.request(Service::Factors, "DELETE", &path, &[]).bearer(bearer);
    let mut results = Vec::new();
    for request in [caller.lock(bearer, user), remove] {
        let response = request.send().await;
        let code = ["02", "05"]
            .into_iter()
            .find(|code| response.body.contains(&format!("\"code\":\"{code}\"")));
        results.push((response.status, code));
    }
    results.try_into().expect("two requests were sent")
}
