use std::collections::BTreeSet;

use end_to_end::{ClientLogin, Service};
use serde_json::{Value, json};

use super::{ANA, BUSINESS, TestApp, error};
use crate::jwt::{claims, decode};

fn texts(value: &Value) -> BTreeSet<&str> {
    let values = value.as_array().expect("an array");
    values.iter().filter_map(Value::as_str).collect()
}

pub(crate) async fn client_login_returns_a_token_with_a_published_key(app: &TestApp) {
    let response = app
        .caller
        .client_login(&app.fixtures.portal)
        .send()
        .await
        .expect_status(200);
    let body = response.json();
    let (header, claims) = decode(&response.text("accessToken"));
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
    assert_eq!(response.text("expiresIn"), "300");
    assert_eq!(texts(&body["scope"]), BTreeSet::from(["READ", "WRITE"]));
    assert_eq!(response.header("cache-control"), Some("no-store"));

    for path in ["/keys", "/.well-known/jwks.json"] {
        let keys = app
            .caller
            .request(Service::Tokens, "GET", path, &[])
            .send()
            .await
            .expect_status(200);
        let keys = keys.json()["keys"].as_array().expect("a key set").clone();
        let key = keys
            .iter()
            .find(|key| key["kid"] == header["kid"])
            .expect("the key is published");
        assert!(["d", "p", "q"].iter().all(|private| key.get(private).is_none()));
    }
}

pub(crate) async fn wrong_secret_and_unknown_client_return_the_same_error(app: &TestApp) {
    let login = async |id: &str| {
        let login = ClientLogin {
            id: id.to_owned(),
            secret: "wrong".to_owned(),
        };
        app.caller.client_login(&login).send().await
    };
    let (wrong, unknown) = (login("portal").await, login("no-such-client").await);
    assert_eq!(wrong.status_and_code(), error(401, "02"));
    assert_eq!((wrong.status, wrong.body), (unknown.status, unknown.body));
}

pub(crate) async fn handle_auth_returns_the_documented_body(app: &TestApp) {
    let gateway = app.client_token(&app.fixtures.gateway).await;
    let body = json!({"email": ANA, "fullName": "Ana", "groups": ["IDC_GERENCIADOR_MANAGER"]});
    let login = app
        .caller
        .handle_auth(&gateway, "portal", &body)
        .send()
        .await
        .expect_status(200);
    assert_eq!(
        (login.text("originClientId"), login.text("userId")),
        ("gateway".to_owned(), app.ana.clone())
    );
    let redeemed = app
        .caller
        .renew(&app.portal_token().await, &login.text("validationToken"), false);
    let claims = claims(&redeemed.send().await.expect_status(200).text("accessToken"));
    assert!(texts(&claims["roles"]).contains("GERENCIADOR"), "{claims}");
}

pub(crate) async fn handle_auth_rejects_invalid_requests(app: &TestApp) {
    assert_eq!(
        app.handle_auth("portal", "who@example.com").await.status_and_code(),
        error(412, "04")
    );
    assert_eq!(app.handle_auth("desk", ANA).await.status_and_code(), error(412, "22"));
    assert_eq!(
        app.handle_auth("no-such-client", ANA).await.status_and_code(),
        error(412, "22")
    );
    let gateway = app.client_token(&app.fixtures.gateway).await;
    let status_and_code = async |bearer: &str, body: Value| {
        app.caller
            .handle_auth(bearer, "portal", &body)
            .send()
            .await
            .status_and_code()
    };
    assert_eq!(status_and_code(&gateway, json!({"groups": []})).await, error(400, "01"));
    let other_business = json!({"email": ANA, "groups": [], "businessId": BUSINESS});
    assert_eq!(status_and_code(&gateway, other_business).await, error(412, "23"));
    let good = json!({"email": ANA, "groups": []});
    assert_eq!(
        status_and_code(&app.client_token(&app.fixtures.desk).await, good.clone()).await,
        error(403, "03")
    );
    assert_eq!(status_and_code("nothing", good.clone()).await, error(401, "02"));
    let path = "/user-identities/handle-auth";
    let without_target = app.caller.request(Service::Tokens, "POST", path, &[]);
    assert_eq!(
        without_target
            .bearer(&gateway)
            .json(&good)
            .send()
            .await
            .status_and_code(),
        error(400, "01")
    );
}

pub(crate) async fn handle_auth_creates_the_user_if_the_client_allows_it(app: &TestApp) {
    let created = app
        .handle_auth("creator", "made@example.com")
        .await
        .expect_status(200)
        .text("userId");
    let again = app
        .handle_auth("creator", "made@example.com")
        .await
        .expect_status(200)
        .text("userId");
    assert_eq!(created, again);
    let session = app.start_session_at(&app.creator, "made@example.com").await;
    let claims = claims(&session.text("accessToken"));
    assert_eq!(claims["sub"], created);
    assert!(
        texts(&claims["roles"]).is_superset(&BTreeSet::from(["AUTH-BASIC", "USER"])),
        "{claims}"
    );
}

pub(crate) async fn validation_token_returns_the_users_tokens(app: &TestApp) {
    let session = app.start_session(ANA).await;
    let claims = claims(&session.text("accessToken"));
    assert_eq!((&claims["sub"], &claims["user_id"]), (&json!(app.ana), &json!(app.ana)));
    assert_eq!(claims["client_id"], "portal");
    let roles = BTreeSet::from(["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]);
    assert!(texts(&claims["roles"]).is_superset(&roles), "{claims}");
    assert_eq!(session.text("expiresIn"), claims["exp"].to_string());
    let unreserved = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
    assert!(session.text("refreshToken").chars().all(unreserved));
    assert_eq!(session.header("cache-control"), Some("no-store"));
}

pub(crate) async fn validation_token_works_once_and_only_for_its_client(app: &TestApp) {
    let (portal, shop) = (app.portal_token().await, app.client_token(&app.shop).await);
    let validation = app
        .handle_auth("portal", ANA)
        .await
        .expect_status(200)
        .text("validationToken");
    let renew = async |bearer: &str| app.caller.renew(bearer, &validation, true).send().await;
    assert_eq!(renew(&shop).await.status_and_code(), error(401, "20"));
    renew(&portal).await.expect_status(200);
    assert_eq!(renew(&portal).await.status_and_code(), error(401, "20"));
}

pub(crate) async fn renewal_without_remember_me_returns_no_refresh_token(app: &TestApp) {
    let validation = app
        .handle_auth("portal", ANA)
        .await
        .expect_status(200)
        .text("validationToken");
    let renewed = app
        .caller
        .renew(&app.portal_token().await, &validation, false)
        .send()
        .await;
    assert!(renewed.expect_status(200).json().get("refreshToken").is_none());
}

pub(crate) async fn replay_of_a_rotated_refresh_token_ends_the_session(app: &TestApp) {
    let portal = app.portal_token().await;
    let renew = async |token: &str| app.caller.renew(&portal, token, true).send().await;
    let first = app.start_session(ANA).await.text("refreshToken");
    let second = renew(&first).await.expect_status(200).text("refreshToken");
    assert_ne!(first, second);
    let retried = renew(&first).await.expect_status(200).text("refreshToken");
    assert_eq!(
        retried, second,
        "a retry within the grace period returns the same successor"
    );
    let third = renew(&second).await.expect_status(200).text("refreshToken");
    assert_eq!(renew(&first).await.status_and_code(), error(401, "20"));
    assert_eq!(renew(&third).await.status_and_code(), error(401, "20"));
}

pub(crate) async fn identity_provider_renews_by_user_and_client(app: &TestApp) {
    let query = [
        ("clientId", "portal"),
        ("userId", &app.ana),
        ("token", ""),
        ("remember-me", "true"),
    ];
    let renewed = app
        .caller
        .renew_with(&app.portal_token().await, &query)
        .send()
        .await
        .expect_status(200);
    assert_eq!(claims(&renewed.text("accessToken"))["user_id"], app.ana);
    let query = [("clientId", "shop"), ("userId", &app.ana)];
    let renewed = app
        .caller
        .renew_with(&app.client_token(&app.shop).await, &query)
        .send()
        .await;
    assert_eq!(renewed.status_and_code(), error(412, "22"));
}

pub(crate) async fn renewal_rejects_invalid_requests(app: &TestApp) {
    let (portal, powerless) = (app.portal_token().await, app.client_token(&app.powerless).await);
    let status_and_code = async |bearer: &str, query: &[(&str, &str)]| {
        app.caller.renew_with(bearer, query).send().await.status_and_code()
    };
    assert_eq!(status_and_code(&portal, &[]).await, error(400, "01"));
    assert_eq!(
        status_and_code(&portal, &[("token", "x"), ("remember-me", "maybe")]).await,
        error(400, "01")
    );
    assert_eq!(
        status_and_code(&portal, &[("token", "nothing"), ("remember-me", "true")]).await,
        error(401, "20")
    );
    assert_eq!(
        status_and_code(&powerless, &[("token", "nothing"), ("remember-me", "true")]).await,
        error(403, "03")
    );
}
