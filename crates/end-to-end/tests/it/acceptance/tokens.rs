use std::collections::BTreeSet;

use end_to_end::{ClientLogin, Service};
use serde_json::{Value, json};

use super::{ANA, BUSINESS, World, refused};
use crate::jwt::{claims, taken_apart};

fn texts(value: &Value) -> BTreeSet<&str> {
    let values = value.as_array().expect("an array");
    values.iter().filter_map(Value::as_str).collect()
}

pub(crate) async fn a_client_login_gives_a_token_whose_key_is_published(world: &World) {
    let answer = world
        .caller
        .client_login(&world.cast.portal)
        .answer()
        .await
        .with_status(200);
    let body = answer.json();
    let (header, claims) = taken_apart(&answer.text("accessToken"));
    assert_eq!(header["alg"], "RS512");
    for name in ["iss", "aud", "iat", "exp", "jti", "client_id", "sub", "roles", "scope"] {
        assert!(claims.get(name).is_some(), "{name} is not in {claims}");
    }
    assert_eq!(
        (&claims["sub"], &claims["client_id"]),
        (&json!("portal"), &json!("portal"))
    );
    assert!(claims.get("user_id").is_none() && body.get("refreshToken").is_none());
    assert_eq!(body["tokenType"], "Bearer");
    assert_eq!(answer.text("expiresIn"), "300");
    assert_eq!(texts(&body["scope"]), BTreeSet::from(["READ", "WRITE"]));
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    for path in ["/keys", "/.well-known/jwks.json"] {
        let keys = world
            .caller
            .request(Service::Tokens, "GET", path, &[])
            .answer()
            .await
            .with_status(200);
        let keys = keys.json()["keys"].as_array().expect("a key set").clone();
        let key = keys
            .iter()
            .find(|key| key["kid"] == header["kid"])
            .expect("the key is published");
        assert!(["d", "p", "q"].iter().all(|private| key.get(private).is_none()));
    }
}

pub(crate) async fn a_wrong_secret_and_an_unknown_client_are_answered_alike(world: &World) {
    let login = async |id: &str| {
        let login = ClientLogin {
            id: id.to_owned(),
            secret: "wrong".to_owned(),
        };
        world.caller.client_login(&login).answer().await
    };
    let (wrong, unknown) = (login("portal").await, login("no-such-client").await);
    assert_eq!(wrong.refusal(), refused(401, "02"));
    assert_eq!((wrong.status, wrong.body), (unknown.status, unknown.body));
}

pub(crate) async fn a_hand_off_answers_in_the_documented_shape(world: &World) {
    let gateway = world.token(&world.cast.gateway).await;
    let body = json!({"email": ANA, "fullName": "Ana", "groups": ["IDC_GERENCIADOR_MANAGER"]});
    let handed = world
        .caller
        .hand_off(&gateway, "portal", &body)
        .answer()
        .await
        .with_status(200);
    assert_eq!(
        (handed.text("originClientId"), handed.text("userId")),
        ("gateway".to_owned(), world.ana.clone())
    );
    let redeemed = world
        .caller
        .renew(&world.portal().await, &handed.text("validationToken"), false);
    let claims = claims(&redeemed.answer().await.with_status(200).text("accessToken"));
    assert!(texts(&claims["roles"]).contains("GERENCIADOR"), "{claims}");
}

pub(crate) async fn a_hand_off_that_cannot_be_is_refused(world: &World) {
    assert_eq!(
        world.hand_off("portal", "who@example.com").await.refusal(),
        refused(412, "04")
    );
    assert_eq!(world.hand_off("desk", ANA).await.refusal(), refused(412, "22"));
    assert_eq!(
        world.hand_off("no-such-client", ANA).await.refusal(),
        refused(412, "22")
    );
    let gateway = world.token(&world.cast.gateway).await;
    let asked =
        async |bearer: &str, body: Value| world.caller.hand_off(bearer, "portal", &body).answer().await.refusal();
    assert_eq!(asked(&gateway, json!({"groups": []})).await, refused(400, "01"));
    let other_business = json!({"email": ANA, "groups": [], "businessId": BUSINESS});
    assert_eq!(asked(&gateway, other_business).await, refused(412, "23"));
    let good = json!({"email": ANA, "groups": []});
    assert_eq!(
        asked(&world.token(&world.cast.desk).await, good.clone()).await,
        refused(403, "03")
    );
    assert_eq!(asked("nothing", good.clone()).await, refused(401, "02"));
    let path = "/user-identities/handle-auth";
    let nowhere = world.caller.request(Service::Tokens, "POST", path, &[]);
    assert_eq!(
        nowhere.bearer(&gateway).json(&good).answer().await.refusal(),
        refused(400, "01")
    );
}

pub(crate) async fn a_hand_off_makes_the_user_where_the_client_is_set_up_for_it(world: &World) {
    let made = world
        .hand_off("creator", "made@example.com")
        .await
        .with_status(200)
        .text("userId");
    let again = world
        .hand_off("creator", "made@example.com")
        .await
        .with_status(200)
        .text("userId");
    assert_eq!(made, again);
    let session = world.session_at(&world.creator, "made@example.com").await;
    let claims = claims(&session.text("accessToken"));
    assert_eq!(claims["sub"], made);
    assert!(
        texts(&claims["roles"]).is_superset(&BTreeSet::from(["AUTH-BASIC", "USER"])),
        "{claims}"
    );
}

pub(crate) async fn a_validation_token_becomes_a_users_tokens(world: &World) {
    let session = world.session(ANA).await;
    let claims = claims(&session.text("accessToken"));
    assert_eq!(
        (&claims["sub"], &claims["user_id"]),
        (&json!(world.ana), &json!(world.ana))
    );
    assert_eq!(claims["client_id"], "portal");
    let roles = BTreeSet::from(["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]);
    assert!(texts(&claims["roles"]).is_superset(&roles), "{claims}");
    assert_eq!(session.text("expiresIn"), claims["exp"].to_string());
    let unreserved = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
    assert!(session.text("refreshToken").chars().all(unreserved));
    assert_eq!(session.header("cache-control"), Some("no-store"));
}

pub(crate) async fn a_validation_token_works_once_and_for_its_client_only(world: &World) {
    let (portal, shop) = (world.portal().await, world.token(&world.shop).await);
    let validation = world
        .hand_off("portal", ANA)
        .await
        .with_status(200)
        .text("validationToken");
    let renewed = async |bearer: &str| world.caller.renew(bearer, &validation, true).answer().await;
    assert_eq!(renewed(&shop).await.refusal(), refused(401, "20"));
    renewed(&portal).await.with_status(200);
    assert_eq!(renewed(&portal).await.refusal(), refused(401, "20"));
}

pub(crate) async fn without_remember_me_there_is_no_refresh_token(world: &World) {
    let validation = world
        .hand_off("portal", ANA)
        .await
        .with_status(200)
        .text("validationToken");
    let renewed = world
        .caller
        .renew(&world.portal().await, &validation, false)
        .answer()
        .await;
    assert!(renewed.with_status(200).json().get("refreshToken").is_none());
}

pub(crate) async fn a_refresh_token_rotates_and_its_replay_ends_the_session(world: &World) {
    let portal = world.portal().await;
    let renewed = async |token: &str| world.caller.renew(&portal, token, true).answer().await;
    let first = world.session(ANA).await.text("refreshToken");
    let second = renewed(&first).await.with_status(200).text("refreshToken");
    assert_ne!(first, second);
    let retried = renewed(&first).await.with_status(200).text("refreshToken");
    assert_eq!(retried, second, "a retry inside the grace time gets the same successor");
    let third = renewed(&second).await.with_status(200).text("refreshToken");
    assert_eq!(renewed(&first).await.refusal(), refused(401, "20"));
    assert_eq!(renewed(&third).await.refusal(), refused(401, "20"));
}

pub(crate) async fn an_identity_provider_renews_by_user_and_client(world: &World) {
    let query = [
        ("clientId", "portal"),
        ("userId", &world.ana),
        ("token", ""),
        ("remember-me", "true"),
    ];
    let renewed = world
        .caller
        .renew_with(&world.portal().await, &query)
        .answer()
        .await
        .with_status(200);
    assert_eq!(claims(&renewed.text("accessToken"))["user_id"], world.ana);
    let query = [("clientId", "shop"), ("userId", &world.ana)];
    let renewed = world
        .caller
        .renew_with(&world.token(&world.shop).await, &query)
        .answer()
        .await;
    assert_eq!(renewed.refusal(), refused(412, "22"));
}

pub(crate) async fn a_renewal_that_cannot_be_is_refused(world: &World) {
    let (portal, nobody) = (world.portal().await, world.token(&world.nobody).await);
    let asked =
        async |bearer: &str, query: &[(&str, &str)]| world.caller.renew_with(bearer, query).answer().await.refusal();
    assert_eq!(asked(&portal, &[]).await, refused(400, "01"));
    assert_eq!(
        asked(&portal, &[("token", "x"), ("remember-me", "maybe")]).await,
        refused(400, "01")
    );
    assert_eq!(
        asked(&portal, &[("token", "nothing"), ("remember-me", "true")]).await,
        refused(401, "20")
    );
    assert_eq!(
        asked(&nobody, &[("token", "nothing"), ("remember-me", "true")]).await,
        refused(403, "03")
    );
}
