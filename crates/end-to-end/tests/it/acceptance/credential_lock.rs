use std::time::Duration;

use domain::event::EventKind;
use end_to_end::{Service, follow_events};
use serde_json::json;

use super::{ANA, World, refused};

const WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn a_lock_ends_every_way_to_a_token_and_unlocking_revives_nothing(world: &World) {
    let email = "locked@example.com";
    let user = world.user(email, &[]).await;
    let refresh = world.session(email).await.text("refreshToken");
    let validation = world
        .hand_off("portal", email)
        .await
        .with_status(200)
        .text("validationToken");
    let (desk, portal) = (world.token(&world.cast.desk).await, world.portal().await);
    let renewed = async |token: &str| world.caller.renew(&portal, token, true).answer().await;

    world.caller.lock(&desk, &user).answer().await.with_status(204);
    for token in [&refresh, &validation] {
        assert_eq!(renewed(token).await.refusal(), refused(412, "21"));
    }
    assert_eq!(world.hand_off("portal", email).await.refusal(), refused(412, "21"));
    let path = format!("/user-identities/{user}/lock");
    let state = world
        .caller
        .request(Service::CredentialLock, "GET", &path, &[])
        .bearer(&desk);
    let state = state.answer().await.with_status(200).json();
    assert_eq!((&state["locked"], &state["epoch"]), (&json!(true), &json!(1)));

    world.caller.lock(&desk, &user).answer().await.with_status(204);
    world.caller.unlock(&desk, &user).answer().await.with_status(204);
    assert_eq!(renewed(&refresh).await.refusal(), refused(401, "20"));
    world.session(email).await;

    let mut follower = follow_events(&world.servers.kafka_brokers, &[&user]);
    follower
        .read_until_told(EventKind::CredentialUnlocked, &user, WITHIN)
        .await;
    let of_the_credential = follower.events().filter(|event| event.subject == user);
    let told: Vec<_> = of_the_credential.map(|event| (event.kind, event.sequence)).collect();
    assert_eq!(
        told,
        [(EventKind::CredentialLocked, 1), (EventKind::CredentialUnlocked, 2)]
    );
}

pub(crate) async fn an_administrator_locks(world: &World) {
    world.user("root@example.com", &["--role=IAM_ADMIN_MAINTENANCE"]).await;
    let user = world.user("is.locked@example.com", &[]).await;
    let root = world.user_token("root@example.com").await;
    world.caller.lock(&root, &user).answer().await.with_status(204);
    assert_eq!(
        world.hand_off("portal", "is.locked@example.com").await.refusal(),
        refused(412, "21")
    );
}

pub(crate) async fn an_order_that_cannot_be_is_refused(world: &World) {
    let (desk, gateway) = (
        world.token(&world.cast.desk).await,
        world.token(&world.cast.gateway).await,
    );
    for way in ["lock", "unlock"] {
        let path = format!("/user-identities/{way}");
        let ordered = async |bearer: &str, body| {
            let request = world.caller.request(Service::CredentialLock, "POST", &path, &[]);
            request.bearer(bearer).json(&body).answer().await.refusal()
        };
        let unknown = "ffffffffffffffffffffffff";
        assert_eq!(ordered(&desk, json!({"userId": unknown})).await, refused(400, "04"));
        assert_eq!(ordered(&desk, json!({})).await, refused(400, "01"));
        assert_eq!(
            ordered(&gateway, json!({"userId": world.ana})).await,
            refused(403, "03")
        );
        let user = world.user_token(ANA).await;
        assert_eq!(ordered(&user, json!({"userId": world.ana})).await, refused(403, "03"));
        assert_eq!(
            ordered("nothing", json!({"userId": world.ana})).await,
            refused(401, "02")
        );
    }
}
