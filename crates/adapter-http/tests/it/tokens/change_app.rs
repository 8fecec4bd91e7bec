use actix_web::test::TestRequest;
use domain::ids::{BusinessId, ClientId, UserId};
use domain::time::Timestamp;
use domain::tokens::{AccessToken, AccessTokenSubject};
use serde_json::json;

use super::test_app::{
    Answer, BEGIN, BUSINESS, FORM, LIFE, LOCKED, NOT_VALID, TOO_LARGE, TestApp, by, field, json_body, not_permitted,
    post, raw_body,
};

const PATHS: [&str; 2] = ["/user-identities/change-app", "/user-identities/me/change-app"];

fn to_shop(bearer: &str) -> TestRequest {
    by(
        post("/user-identities/me/change-app?targetClientId=shop&unknown=1"),
        bearer,
    )
}

/// Ana's session at the portal: her access and refresh token.
async fn session(app: &TestApp) -> (String, String) {
    let tokens = app.log_in("ana", "portal", true).await;
    (field(&tokens, "accessToken"), field(&tokens, "refreshToken"))
}

fn shown(answer: &Answer) -> String {
    let mut body = answer.json();
    let token = field(&body, "validationToken");
    assert!(
        token.starts_with("vt_") && token.len() == 67,
        "256 bits in hexadecimal digits: {token}"
    );
    body["validationToken"] = json!("…");
    format!("{} {body}", answer.status)
}

#[actix_web::test]
async fn it_answers_201_in_the_shape_of_the_hand_off_on_both_paths() {
    let app = TestApp::new().await;
    let (access, _) = session(&app).await;
    for path in PATHS {
        let answer = app.ask(by(post(&format!("{path}?targetClientId=shop")), &access)).await;
        assert_eq!(
            shown(&answer),
            r#"201 {"ip":"203.0.113.9","originClientId":"portal","userId":"ana","validationToken":"…"}"#
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[actix_web::test]
async fn the_target_makes_a_session_of_it_once_that_ends_with_the_first() {
    let app = TestApp::new().await;
    let (access, refresh) = session(&app).await;
    let shop = app.client_token("shop").await;
    let handed = async || field(&app.ask(to_shop(&access)).await.json(), "validationToken");
    let (token, unused) = (handed().await, handed().await);
    assert_eq!(
        app.renew(&app.client_token("portal").await, &token, true).await.shown(),
        NOT_VALID
    );
    let renewed = app.renew(&shop, &token, true).await;
    assert_eq!(renewed.status, 200, "{}", renewed.shown());
    assert_eq!(app.renew(&shop, &token, true).await.shown(), NOT_VALID);
    let branch = field(&renewed.json(), "refreshToken");
    let (trunk, branched) = (app.family(&refresh).await, app.family(&branch).await);
    assert_eq!(branched.origin.ancestors, [trunk.id]);
    assert_eq!(branched.absolute_expires_at, trunk.absolute_expires_at);

    let body = json!({"token": refresh});
    let log_out = json_body(by(post("/user-identities/me/revoke-token"), &access), &body);
    assert_eq!(app.ask(log_out).await.shown(), "200 ");
    for token in [&branch, &unused] {
        assert_eq!(app.renew(&shop, token, true).await.shown(), NOT_VALID);
    }
    assert_eq!(app.ask(to_shop(&access)).await.shown(), NOT_VALID);
}

#[actix_web::test]
async fn the_body_may_be_missing_or_empty_and_a_device_id_is_read_over() {
    let app = TestApp::new().await;
    let (access, _) = session(&app).await;
    assert_eq!(app.ask(raw_body(to_shop(&access), "text/plain", "")).await.status, 201);
    for body in [
        json!({}),
        json!({"deviceId": null, "ip": null}),
        json!({"deviceId": "", "ip": ""}),
        json!({"deviceId": "é".repeat(200), "unknown": [1]}),
    ] {
        let answer = app.ask(json_body(to_shop(&access), &body)).await;
        assert_eq!(answer.json()["ip"], "203.0.113.9", "{body}: {}", answer.shown());
    }
}

#[actix_web::test]
async fn a_bodys_address_wins_then_a_trusted_proxys_word_then_the_peer() {
    let app = TestApp::new().await;
    let (access, _) = session(&app).await;
    let from = |peer: &str| {
        let request = to_shop(&access).insert_header(("x-forwarded-for", "198.51.100.7"));
        request.peer_addr(format!("{peer}:4711").parse().unwrap())
    };
    let ip = async |request: TestRequest| app.ask(request).await.json()["ip"].clone();
    assert_eq!(ip(from("203.0.113.9")).await, "203.0.113.9");
    assert_eq!(ip(from("10.1.2.3")).await, "198.51.100.7");
    for (given, told) in [("192.0.2.1", "192.0.2.1"), ("2001:DB8::7", "2001:db8::7")] {
        assert_eq!(ip(json_body(from("10.1.2.3"), &json!({"ip": given}))).await, told);
    }
    for bad in ["a.b.c.d", "1.2.3", "1.2.3.4:80", "1.2.3.4/8", " 1.2.3.4", "localhost"] {
        let answer = app.ask(json_body(from("203.0.113.9"), &json!({"ip": bad}))).await;
        let refused = r#"400 [{"code":"01","message":"ip is not an address","field":"ip"}]"#;
        assert_eq!(answer.shown(), refused, "{bad}");
    }
}

#[actix_web::test]
async fn a_body_that_cannot_be_read_is_400_413_or_415() {
    let app = TestApp::new().await;
    let (access, _) = session(&app).await;
    let ask = async |media_type: &str, body: &str| app.ask(raw_body(to_shop(&access), media_type, body)).await;
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
        assert_eq!(ask(json, body).await.code(), (400, "01".to_owned()), "{body}");
    }
    let long = json!({"deviceId": "é".repeat(201)}).to_string();
    assert_eq!(
        ask(json, &long).await.shown(),
        r#"400 [{"code":"01","message":"deviceId has at most 200 characters","field":"deviceId"}]"#
    );
    for media_type in [FORM, "text/plain", "application/xml"] {
        assert_eq!(
            ask(media_type, "{}").await.code(),
            (415, "01".to_owned()),
            "{media_type}"
        );
    }
    let huge = json!({"deviceId": "x".repeat(1 << 20)}).to_string();
    assert_eq!(ask(json, &huge).await.shown(), TOO_LARGE);
}

#[actix_web::test]
async fn a_target_that_is_missing_or_malformed_is_400_and_one_that_cannot_be_used_412() {
    let app = TestApp::new().await;
    let (access, _) = session(&app).await;
    let ask = async |query: &str| {
        let request = post(&format!("/user-identities/change-app{query}"));
        app.ask(by(request, &access)).await.shown()
    };
    let missing = r#"400 [{"code":"01","message":"targetClientId is required","field":"targetClientId"}]"#;
    for query in ["", "?targetClientId=", "?targetclientid=shop", "?clientId=shop"] {
        assert_eq!(ask(query).await, missing, "{query}");
    }
    let malformed =
        r#"400 [{"code":"01","message":"an id is 1 to 64 characters of A-Z a-z 0-9 _ - .","field":"targetClientId"}]"#;
    for id in ["a%20b", "a%2Fb", "%C3%A9", "%00", &"x".repeat(65)] {
        assert_eq!(ask(&format!("?targetClientId={id}")).await, malformed, "{id}");
    }
    assert_eq!(
        ask("?targetClientId=shop&targetClientId=shop").await,
        r#"400 [{"code":"01","message":"the query cannot be read, or holds a field twice"}]"#
    );
    let unusable = r#"412 [{"code":"22","message":"the client is unknown, disabled, or not set up for this flow"}]"#;
    for id in ["nobody", "closed", "Shop"] {
        assert_eq!(ask(&format!("?targetClientId={id}")).await, unusable, "{id}");
    }
}

#[actix_web::test]
async fn a_locked_user_goes_nowhere_and_after_an_unlock_not_with_an_old_token() {
    let app = TestApp::new().await;
    let (access, _) = session(&app).await;
    let without_session = field(&app.log_in("ana", "portal", false).await, "accessToken");
    let handed = field(&app.ask(to_shop(&access)).await.json(), "validationToken");
    let shop = app.client_token("shop").await;
    app.lock_or_unlock("lock", "ana").await;
    for token in [&access, &without_session] {
        assert_eq!(app.ask(to_shop(token)).await.shown(), LOCKED);
    }
    assert_eq!(app.renew(&shop, &handed, true).await.shown(), LOCKED);
    app.lock_or_unlock("unlock", "ana").await;
    for token in [&access, &without_session] {
        assert_eq!(app.ask(to_shop(token)).await.shown(), NOT_VALID);
    }
    assert_eq!(app.renew(&shop, &handed, true).await.shown(), NOT_VALID);
    let (fresh, _) = session(&app).await;
    assert_eq!(app.ask(to_shop(&fresh)).await.status, 201);
}

#[actix_web::test]
async fn a_business_that_is_not_linked_is_412_and_a_user_who_is_gone_has_no_token() {
    let app = TestApp::new().await;
    app.link("ana", true).await;
    let access = acting(&app).await;
    assert_eq!(app.ask(to_shop(&access)).await.status, 201);
    app.link("ana", false).await;
    assert_eq!(
        app.ask(to_shop(&access)).await.shown(),
        r#"412 [{"code":"23","message":"the business is not linked to the user"}]"#
    );
    let ana = UserId::parse("ana").unwrap();
    app.stores.identities.remove(&ana).await.unwrap();
    assert_eq!(app.ask(to_shop(&access)).await.shown(), NOT_VALID);
}

/// Ana's access token at the portal, for [`BUSINESS`].
pub(super) async fn acting(app: &TestApp) -> String {
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
async fn only_a_user_with_the_roles_changes_the_application() {
    let app = TestApp::new().await;
    for path in PATHS {
        let request = || post(&format!("{path}?targetClientId=shop"));
        let portal = app.client_token("portal").await;
        assert_eq!(
            app.ask(by(request(), &portal)).await.shown(),
            not_permitted("a token that carries a user is required")
        );
        assert_eq!(app.ask(request()).await.code(), (401, "02".to_owned()));
        assert_eq!(app.ask(by(request(), "x")).await.code(), (401, "02".to_owned()));
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
    let (access, _) = session(&app).await;
    assert_eq!(
        app.ask(to_shop(&access)).await.shown(),
        not_permitted("the token lacks the role AUTH-BASIC")
    );
}
