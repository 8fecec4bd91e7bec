use actix_web::test::TestRequest;
use domain::ids::{BusinessId, ClientId, UserId};
use domain::sessions::{AccessToken, AccessTokenSubject};
use domain::time::Timestamp;
use serde_json::json;

use super::test_app::{
    BEGIN, BUSINESS, FORM, LIFE, LOCKED, NOT_VALID, TOO_LARGE, TestApp, TestResponse, by, field, forbidden_response,
    json_body, post, raw_body,
};

const PATHS: [&str; 2] = ["/user-identities/change-app", "/user-identities/me/change-app"];

fn change_to_shop(bearer: &str) -> TestRequest {
    by(
        post("/user-identities/me/change-app?targetClientId=shop&unknown=1"),
        bearer,
    )
}

/// Starts a session of Ana at the portal and returns its access and refresh token.
async fn start_session(app: &TestApp) -> (String, String) {
    let tokens = app.log_in("ana", "portal", true).await;
    (field(&tokens, "accessToken"), field(&tokens, "refreshToken"))
}

/// Returns status and body with a placeholder for the validation token, which is random.
fn redact(response: &TestResponse) -> String {
    let mut body = response.json();
    let token = field(&body, "validationToken");
    assert!(
        token.starts_with("vt_") && token.len() == 67,
        "256 bits in hexadecimal digits: {token}"
    );
    body["validationToken"] = json!("…");
    format!("{} {body}", response.status)
}

#[actix_web::test]
async fn both_paths_return_a_validation_token() {
    let app = TestApp::new().await;
    let (access, _) = start_session(&app).await;
    for path in PATHS {
        let response = app
            .send(by(post(&format!("{path}?targetClientId=shop")), &access))
            .await;
        assert_eq!(
            redact(&response),
            r#"201 {"ip":"203.0.113.9","originClientId":"portal","userId":"ana","validationToken":"…"}"#
        );
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
}

#[actix_web::test]
async fn a_branch_starts_once_and_ends_with_its_parent() {
    let app = TestApp::new().await;
    let (access, refresh) = start_session(&app).await;
    let shop = app.client_token("shop").await;
    let validation_token = async || field(&app.send(change_to_shop(&access)).await.json(), "validationToken");
    let (token, unused) = (validation_token().await, validation_token().await);
    assert_eq!(
        app.renew(&app.client_token("portal").await, &token, true)
            .await
            .status_and_body(),
        NOT_VALID
    );
    let renewed = app.renew(&shop, &token, true).await;
    assert_eq!(renewed.status, 200, "{}", renewed.status_and_body());
    assert_eq!(app.renew(&shop, &token, true).await.status_and_body(), NOT_VALID);
    let branch = field(&renewed.json(), "refreshToken");
    let (parent, branch_family) = (app.family(&refresh).await, app.family(&branch).await);
    assert_eq!(branch_family.origin.ancestors, [parent.id]);
    assert_eq!(branch_family.absolute_expires_at, parent.absolute_expires_at);

    let body = json!({"token": refresh});
    let log_out = json_body(by(post("/user-identities/me/revoke-token"), &access), &body);
    assert_eq!(app.send(log_out).await.status_and_body(), "200 ");
    for token in [&branch, &unused] {
        assert_eq!(app.renew(&shop, token, true).await.status_and_body(), NOT_VALID);
    }
    assert_eq!(app.send(change_to_shop(&access)).await.status_and_body(), NOT_VALID);
}

#[actix_web::test]
async fn the_body_is_optional_and_the_device_id_ignored() {
    let app = TestApp::new().await;
    let (access, _) = start_session(&app).await;
    assert_eq!(
        app.send(raw_body(change_to_shop(&access), "text/plain", ""))
            .await
            .status,
        201
    );
    for body in [
        json!({}),
        json!({"deviceId": null, "ip": null}),
        json!({"deviceId": "", "ip": ""}),
        json!({"deviceId": "é".repeat(200), "unknown": [1]}),
    ] {
        let response = app.send(json_body(change_to_shop(&access), &body)).await;
        assert_eq!(
            response.json()["ip"],
            "203.0.113.9",
            "{body}: {}",
            response.status_and_body()
        );
    }
}

#[actix_web::test]
async fn the_address_comes_from_body_then_proxy_then_peer() {
    let app = TestApp::new().await;
    let (access, _) = start_session(&app).await;
    let from = |peer: &str| {
        let request = change_to_shop(&access).insert_header(("x-forwarded-for", "198.51.100.7"));
        request.peer_addr(format!("{peer}:4711").parse().unwrap())
    };
    let ip = async |request: TestRequest| app.send(request).await.json()["ip"].clone();
    assert_eq!(ip(from("203.0.113.9")).await, "203.0.113.9");
    assert_eq!(ip(from("10.1.2.3")).await, "198.51.100.7");
    for (given, expected) in [("192.0.2.1", "192.0.2.1"), ("2001:DB8::7", "2001:db8::7")] {
        assert_eq!(ip(json_body(from("10.1.2.3"), &json!({"ip": given}))).await, expected);
    }
    for bad in ["a.b.c.d", "1.2.3", "1.2.3.4:80", "1.2.3.4/8", " 1.2.3.4", "localhost"] {
        let response = app.send(json_body(from("203.0.113.9"), &json!({"ip": bad}))).await;
        let expected = r#"400 [{"code":"01","message":"ip must be an IPv4 or IPv6 address","field":"ip"}]"#;
        assert_eq!(response.status_and_body(), expected, "{bad}");
    }
}

#[actix_web::test]
async fn an_unreadable_body_is_400_413_or_415() {
    let app = TestApp::new().await;
    let (access, _) = start_session(&app).await;
    let send = async |media_type: &str, body: &str| app.send(raw_body(change_to_shop(&access), media_type, body)).await;
    let json = "application/json";
    for body in [
        "{",
        "[]",
        "null",
        "1",
        "\"x\"",
        "{} {}",
        r#"{"ip":1}"#,
        r#"{"ip":["1.2.3.4"]}"#,
        r#"{"deviceId":{}}"#,
        r#"{"deviceId":"a","deviceId":"a"}"#,
        r#"{"ip":"1.2.3.4","ip":"1.2.3.4"}"#,
        "\0",
    ] {
        assert_eq!(send(json, body).await.code(), (400, "01".to_owned()), "{body}");
    }
    let long = json!({"deviceId": "é".repeat(201)}).to_string();
    assert_eq!(
        send(json, &long).await.status_and_body(),
        r#"400 [{"code":"01","message":"deviceId must have at most 200 characters","field":"deviceId"}]"#
    );
    for media_type in [FORM, "text/plain", "application/xml"] {
        assert_eq!(
            send(media_type, "{}").await.code(),
            (415, "01".to_owned()),
            "{media_type}"
        );
    }
    let huge = json!({"deviceId": "x".repeat(1 << 20)}).to_string();
    assert_eq!(send(json, &huge).await.status_and_body(), TOO_LARGE);
}

#[actix_web::test]
async fn a_malformed_target_is_400_and_an_unusable_412() {
    let app = TestApp::new().await;
    let (access, _) = start_session(&app).await;
    let send = async |query: &str| {
        let request = post(&format!("/user-identities/change-app{query}"));
        app.send(by(request, &access)).await.status_and_body()
    };
    let missing = r#"400 [{"code":"01","message":"targetClientId is required","field":"targetClientId"}]"#;
    for query in ["", "?targetClientId=", "?targetclientid=shop", "?clientId=shop"] {
        assert_eq!(send(query).await, missing, "{query}");
    }
    let malformed =
        r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ - .","field":"targetClientId"}]"#;
    for id in ["a%20b", "a%2Fb", "%C3%A9", "%00", &"x".repeat(65)] {
        assert_eq!(send(&format!("?targetClientId={id}")).await, malformed, "{id}");
    }
    assert_eq!(
        send("?targetClientId=shop&targetClientId=shop").await,
        r#"400 [{"code":"01","message":"the query cannot be read, or has a parameter twice"}]"#
    );
    let unusable = r#"412 [{"code":"22","message":"the client is unknown, disabled, or not set up for this flow"}]"#;
    for id in ["nobody", "closed", "Shop"] {
        assert_eq!(send(&format!("?targetClientId={id}")).await, unusable, "{id}");
    }
}

#[actix_web::test]
async fn validation_tokens_stay_invalid_after_an_unlock() {
    let app = TestApp::new().await;
    let (access, _) = start_session(&app).await;
    let without_session = field(&app.log_in("ana", "portal", false).await, "accessToken");
    let validation_token = field(&app.send(change_to_shop(&access)).await.json(), "validationToken");
    let shop = app.client_token("shop").await;
    app.lock_or_unlock("lock", "ana").await;
    for token in [&access, &without_session] {
        assert_eq!(app.send(change_to_shop(token)).await.status_and_body(), LOCKED);
    }
    assert_eq!(
        app.renew(&shop, &validation_token, true).await.status_and_body(),
        LOCKED
    );
    app.lock_or_unlock("unlock", "ana").await;
    for token in [&access, &without_session] {
        assert_eq!(app.send(change_to_shop(token)).await.status_and_body(), NOT_VALID);
    }
    assert_eq!(
        app.renew(&shop, &validation_token, true).await.status_and_body(),
        NOT_VALID
    );
    let (fresh, _) = start_session(&app).await;
    assert_eq!(app.send(change_to_shop(&fresh)).await.status, 201);
}

#[actix_web::test]
async fn an_unlinked_business_is_412_and_a_removed_user_401() {
    let app = TestApp::new().await;
    app.link("ana", true).await;
    let access = business_access_token(&app).await;
    assert_eq!(app.send(change_to_shop(&access)).await.status, 201);
    app.link("ana", false).await;
    assert_eq!(
        app.send(change_to_shop(&access)).await.status_and_body(),
        r#"412 [{"code":"23","message":"the business is not linked to the user"}]"#
    );
    let ana = UserId::parse("ana").unwrap();
    app.stores.identities.remove(&ana).await.unwrap();
    assert_eq!(app.send(change_to_shop(&access)).await.status_and_body(), NOT_VALID);
}

/// Signs an access token of Ana at the portal, for [`BUSINESS`].
pub(super) async fn business_access_token(app: &TestApp) -> String {
    let content = AccessToken {
        id: "0123456789ab0123456789ab".to_owned(),
        client: ClientId::parse("portal").unwrap(),
        client_epoch: 0,
        subject: AccessTokenSubject::User {
            id: UserId::parse("ana").unwrap(),
            business: BusinessId::parse(BUSINESS).ok(),
            session: None,
            epoch: 0,
        },
        roles: ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]
            .map(str::to_owned)
            .to_vec(),
        scopes: Vec::new(),
        issued_at: Timestamp::from_second(BEGIN).unwrap(),
        expires_at: Timestamp::from_second(BEGIN + LIFE).unwrap(),
    };
    app.signer.sign(&content).unwrap()
}

#[actix_web::test]
async fn change_app_requires_a_user_with_the_roles() {
    let app = TestApp::new().await;
    for path in PATHS {
        let request = || post(&format!("{path}?targetClientId=shop"));
        let portal = app.client_token("portal").await;
        assert_eq!(
            app.send(by(request(), &portal)).await.status_and_body(),
            forbidden_response("a token that carries a user is required")
        );
        assert_eq!(app.send(request()).await.code(), (401, "02".to_owned()));
        assert_eq!(app.send(by(request(), "x")).await.code(), (401, "02".to_owned()));
    }
    let mut ana = app
        .stores
        .identities
        .find(&UserId::parse("ana").unwrap())
        .await
        .unwrap()
        .unwrap();
    ana.roles = vec!["USER".to_owned()];
    app.stores.identities.replace(&ana).await.unwrap();
    let (access, _) = start_session(&app).await;
    assert_eq!(
        app.send(change_to_shop(&access)).await.status_and_body(),
        forbidden_response("the token lacks the role AUTH-BASIC")
    );
}
