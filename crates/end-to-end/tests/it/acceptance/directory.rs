use std::time::Duration;

use domain::directory::events::IDENTITY_REMOVED;
use end_to_end::{Service, eventually, open_event_reader};

use super::{TestApp, error};

const WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn a_removed_user_is_erased_by_all_services(app: &TestApp) {
    app.register_user("remover@example.com", &["--role=IAM_ADMIN_MAINTENANCE"])
        .await;
    let email = "removed@example.com";
    let user = app.register_user(email, &[]).await;
    let refresh = app.start_session(email).await.text("refreshToken");
    let (root, portal) = (app.user_token("remover@example.com").await, app.portal_token().await);
    let path = format!("/user-identities/{user}");
    let remove = async || {
        let removal = app.caller.request(Service::Tokens, "DELETE", &path, &[]);
        removal.bearer(&root).send().await
    };
    remove().await.expect_status(204);
    assert_eq!(remove().await.status_and_code(), error(404, "04"));
    let mut reader = open_event_reader(&app.servers.kafka_brokers, &[&user]);
    reader.read_until_event(IDENTITY_REMOVED, &user, WITHIN).await;

    // The id is free when the three services have erased their parts.
    let heir = "heir@example.com";
    let add = [
        "identity",
        "add",
        "--id",
        &user,
        "--email",
        heir,
        "--role",
        "AUTH-BASIC",
        "--role",
        "USER",
    ];
    let added = eventually("the id is free", WITHIN, async || app.operate(&add).await.then_some(()));
    added.await;
    let rejected = app.caller.renew(&portal, &refresh, true).send().await;
    assert_eq!(rejected.status_and_code(), error(401, "20"));
    app.start_session(heir).await;
}
