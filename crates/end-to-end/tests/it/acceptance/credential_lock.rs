use std::time::Duration;

use domain::credential_lock::events::{CREDENTIAL_LOCKED, CREDENTIAL_UNLOCKED};
use end_to_end::{Service, open_event_reader};
use serde_json::json;

use super::{ANA, TestApp, error};

const WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn lock_ends_every_session_and_unlock_restores_none(app: &TestApp) {
    let email = "locked@example.com";
    let user = app.register_user(email, &[]).await;
    let refresh = app.start_session(email).await.text("refreshToken");
    let validation = app
        .handle_auth("portal", email)
        .await
        .expect_status(200)
        .text("validationToken");
    let (desk, portal) = (app.client_token(&app.fixtures.desk).await, app.portal_token().await);
    let renew = async |token: &str| app.caller.renew(&portal, token, true).send().await;

    app.caller.lock(&desk, &user).send().await.expect_status(204);
    for token in [&refresh, &validation] {
        assert_eq!(renew(token).await.status_and_code(), error(412, "21"));
    }
    assert_eq!(
        app.handle_auth("portal", email).await.status_and_code(),
        error(412, "21")
    );
    let path = format!("/user-identities/{user}/lock");
    let state = app
        .caller
        .request(Service::CredentialLock, "GET", &path, &[])
        .bearer(&desk);
    let state = state.send().await.expect_status(200).json();
    assert_eq!((&state["locked"], &state["epoch"]), (&json!(true), &json!(1)));

    app.caller.lock(&desk, &user).send().await.expect_status(204);
    app.caller.unlock(&desk, &user).send().await.expect_status(204);
    assert_eq!(renew(&refresh).await.status_and_code(), error(401, "20"));
    app.start_session(email).await;

    let mut reader = open_event_reader(&app.servers.kafka_brokers, &[&user]);
    reader.read_until_event(CREDENTIAL_UNLOCKED, &user, WITHIN).await;
    let lock_events = reader.events().filter(|event| event.subject == user);
    let kinds: Vec<_> = lock_events.map(|event| (event.kind, event.sequence)).collect();
    assert_eq!(kinds, [(CREDENTIAL_LOCKED, 1), (CREDENTIAL_UNLOCKED, 2)]);
}

pub(crate) async fn administrator_locks_a_user(app: &TestApp) {
    app.register_user("root@example.com", &["--role=IAM_ADMIN_MAINTENANCE"])
        .await;
    let user = app.register_user("is.locked@example.com", &[]).await;
    let root = app.user_token("root@example.com").await;
    app.caller.lock(&root, &user).send().await.expect_status(204);
    assert_eq!(
        app.handle_auth("portal", "is.locked@example.com")
            .await
            .status_and_code(),
        error(412, "21")
    );
}

pub(crate) async fn lock_and_unlock_reject_invalid_requests(app: &TestApp) {
    let (desk, gateway) = (
        app.client_token(&app.fixtures.desk).await,
        app.client_token(&app.fixtures.gateway).await,
    );
    for operation in ["lock", "unlock"] {
        let path = format!("/user-identities/{operation}");
        let send = async |bearer: &str, body| {
            let request = app.caller.request(Service::CredentialLock, "POST", &path, &[]);
            request.bearer(bearer).json(&body).send().await.status_and_code()
        };
        let unknown = "ffffffffffffffffffffffff";
        assert_eq!(send(&desk, json!({"userId": unknown})).await, error(400, "04"));
        assert_eq!(send(&desk, json!({})).await, error(400, "01"));
        assert_eq!(send(&gateway, json!({"userId": app.ana})).await, error(403, "03"));
        let user = app.user_token(ANA).await;
        assert_eq!(send(&user, json!({"userId": app.ana})).await, error(403, "03"));
        assert_eq!(send("nothing", json!({"userId": app.ana})).await, error(401, "02"));
    }
}
