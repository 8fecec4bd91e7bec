use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::change_app::acting;
use super::test_app::{
    Answer, BEGIN, BUSINESS, FORM, ISSUER, LIFE, TOO_LARGE, TestApp, by, field, json_body, not_permitted, post,
    raw_body,
};

const INACTIVE: &str = r#"200 {"active":false}"#;

fn introspect(bearer: &str) -> TestRequest {
    by(post("/tokens/introspect"), bearer)
}

/// As the shop asks, which every token here is a stranger's to.
async fn introspected(app: &TestApp, token: &str) -> Answer {
    let shop = app.client_token("shop").await;
    let answer = app.ask(json_body(introspect(&shop), &json!({"token": token}))).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer
}

async fn is_active(app: &TestApp, token: &str) -> bool {
    let answer = introspected(app, token).await;
    let is_active = answer.json()["active"] == json!(true);
    assert!(is_active || answer.shown() == INACTIVE, "{}", answer.shown());
    is_active
}

/// Ana's session at the portal: access and refresh token.
async fn session(app: &TestApp) -> (String, String) {
    let tokens = app.log_in("ana", "portal", true).await;
    (field(&tokens, "accessToken"), field(&tokens, "refreshToken"))
}

/// With what differs each time blotted out, if it is there.
fn shown(answer: &Answer) -> Value {
    let mut body = answer.json();
    for name in ["jti", "sid"] {
        if body[name].as_str().is_some_and(|text| text.len() == 24) {
            body[name] = json!("…");
        }
    }
    body
}

#[actix_web::test]
async fn a_clients_own_token_says_what_is_in_it() {
    let app = TestApp::new().await;
    let token = app.client_token("portal").await;
    assert_eq!(
        shown(&introspected(&app, &token).await),
        json!({
            "active": true, "scope": "READ WRITE", "client_id": "portal", "token_type": "Bearer", "exp": BEGIN + LIFE,
            "iat": BEGIN, "sub": "portal", "aud": "authme", "iss": ISSUER, "jti": "…",
            "roles": ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"],
        })
    );
}

#[actix_web::test]
async fn a_users_tokens_say_user_session_business_and_epoch() {
    let app = TestApp::new().await;
    let (access, refresh) = session(&app).await;
    let roles = json!(["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]);
    let expected = json!({
        "active": true, "scope": "READ WRITE", "client_id": "portal", "token_type": "Bearer", "exp": BEGIN + LIFE,
        "iat": BEGIN, "sub": "ana", "aud": "authme", "iss": ISSUER, "jti": "…", "user_id": "ana", "roles": roles,
        "sid": "…", "epoch": 0,
    });
    let told = introspected(&app, &access).await;
    assert_eq!(shown(&told), expected);
    let family = app.family(&refresh).await;
    assert_eq!(told.json()["sid"], family.id.as_str());
    assert_eq!(
        introspected(&app, &refresh).await.json(),
        json!({
            "active": true, "client_id": "portal", "exp": family.idle_expires_at.as_second(), "sub": "ana",
            "user_id": "ana", "sid": family.id.as_str(),
        })
    );
    let told = introspected(&app, &acting(&app).await).await;
    assert_eq!(
        shown(&told),
        json!({
            "active": true, "scope": "", "client_id": "portal", "token_type": "Bearer", "exp": BEGIN + LIFE,
            "iat": BEGIN, "sub": "ana", "aud": "authme", "iss": ISSUER, "jti": "…", "user_id": "ana",
            "business_id": BUSINESS, "roles": roles, "epoch": 0,
        })
    );
}

#[actix_web::test]
async fn a_token_that_is_none_expired_or_touched_is_inactive_and_nothing_else_is_told() {
    let app = TestApp::new().await;
    let (access, refresh) = session(&app).await;
    let change = by(post("/user-identities/change-app?targetClientId=shop"), &access);
    let validation = field(&app.ask(change).await.json(), "validationToken");
    let (head, signature) = access.rsplit_once('.').unwrap();
    let touched = format!("{head}.{}", signature.chars().rev().collect::<String>());
    // {"alg":"RS512","typ":"at+jwt","kid":"unknown"}
    let unknown_key = access.replacen(
        access.split('.').next().unwrap(),
        "eyJhbGciOiJSUzUxMiIsInR5cCI6ImF0K2p3dCIsImtpZCI6InVua25vd24ifQ",
        1,
    );
    let long = "x".repeat(60_000);
    for token in [
        "x",
        " ",
        "\0",
        "é",
        "rt_",
        "vt_",
        "...",
        "eyJhbGciOiJub25lIn0.e30.",
        &validation,
        &touched,
        &unknown_key,
        &format!("{access}."),
        &format!("Bearer {access}"),
        &format!("{refresh}0"),
        &refresh.to_uppercase(),
        &long,
    ] {
        let answer = introspected(&app, token).await;
        let beginning: String = token.chars().take(30).collect();
        assert_eq!(answer.shown(), INACTIVE, "{beginning}");
    }
    app.clock.advance(LIFE - 1);
    assert!(is_active(&app, &access).await);
    app.clock.advance(1);
    assert!(!is_active(&app, &access).await);
    // The validation token was not used up by the question, nor the refresh token.
    assert!(is_active(&app, &refresh).await);
}

#[actix_web::test]
async fn a_locked_users_tokens_are_inactive_at_once_and_stay_so() {
    let app = TestApp::new().await;
    let (access, refresh) = session(&app).await;
    let without_session = field(&app.log_in("ana", "portal", false).await, "accessToken");
    let tokens = [&access, &refresh, &without_session];
    for token in tokens {
        assert!(is_active(&app, token).await);
    }
    for way in ["lock", "unlock"] {
        app.lock_or_unlock(way, "ana").await;
        for token in tokens {
            assert!(!is_active(&app, token).await, "{way}");
        }
    }
    let (access, _) = session(&app).await;
    assert_eq!(introspected(&app, &access).await.json()["epoch"], 1);
}

#[actix_web::test]
async fn a_session_that_ended_is_inactive_with_all_its_tokens() {
    let app = TestApp::new().await;
    let (access, refresh) = session(&app).await;
    let renewed = app.renew(&access, &refresh, true).await.json();
    assert!(!is_active(&app, &refresh).await, "it was renewed");
    let (later, current) = (field(&renewed, "accessToken"), field(&renewed, "refreshToken"));
    for token in [&access, &later, &current] {
        assert!(is_active(&app, token).await);
    }
    let forgotten = app.renew(&later, &current, false).await.json();
    for token in [&access, &later, &current] {
        assert!(!is_active(&app, token).await, "it was closed");
    }
    assert!(is_active(&app, &field(&forgotten, "accessToken")).await);

    let (access, refresh) = session(&app).await;
    let revoke = by(post("/user-identities/me/revoke-token"), &access);
    assert_eq!(app.ask(json_body(revoke, &json!({"token": access}))).await.status, 200);
    for token in [&access, &refresh] {
        assert!(!is_active(&app, token).await, "it was revoked");
    }
}

#[actix_web::test]
async fn a_form_is_read_too_and_a_hint_does_not_matter() {
    let app = TestApp::new().await;
    let (access, refresh) = session(&app).await;
    let shop = app.client_token("shop").await;
    for token in [&access, &refresh] {
        for hint in ["access_token", "refresh_token", "pigeon", ""] {
            let form = format!("token={token}&token_type_hint={hint}");
            let answer = app.ask(raw_body(introspect(&shop), FORM, &form)).await;
            assert_eq!(answer.json()["active"], true, "{hint}: {}", answer.shown());
        }
    }
}

#[actix_web::test]
async fn a_request_without_a_token_or_that_cannot_be_read_is_400_413_or_415() {
    let app = TestApp::new().await;
    let shop = app.client_token("shop").await;
    let ask = async |media_type: &str, body: &str| app.ask(raw_body(introspect(&shop), media_type, body)).await;
    let json = "application/json";
    let missing = r#"400 [{"code":"01","message":"token is required","field":"token"}]"#;
    for (media_type, body) in [
        (json, ""),
        (json, "{}"),
        (json, r#"{"token":""}"#),
        (FORM, ""),
        (FORM, "token="),
    ] {
        assert_eq!(ask(media_type, body).await.shown(), missing, "{body}");
    }
    for (media_type, body) in [
        (json, r#"{"token":"a","token":"b"}"#),
        (json, r#"{"token":{}}"#),
        (json, r#"["a"]"#),
        (FORM, "token=a&token=b"),
    ] {
        assert_eq!(ask(media_type, body).await.code(), (400, "01".to_owned()), "{body}");
    }
    assert_eq!(ask("text/plain", "token=a").await.code(), (415, "01".to_owned()));
    let huge = "x".repeat(1 << 20);
    assert_eq!(ask(FORM, &format!("token={huge}")).await.shown(), TOO_LARGE);
    assert_eq!(ask(json, &format!(r#"{{"token":"{huge}"}}"#)).await.shown(), TOO_LARGE);
}

#[actix_web::test]
async fn only_a_client_on_its_own_asks() {
    let app = TestApp::new().await;
    let (access, _) = session(&app).await;
    let body = json!({"token": access});
    for (bearer, lacking) in [
        (&access, "a client-only token is required"),
        (
            &app.client_token("locker").await,
            "the token lacks the role CLI-AUTH-IDENTIFIED",
        ),
    ] {
        let answer = app.ask(json_body(introspect(bearer), &body)).await;
        assert_eq!(answer.shown(), not_permitted(lacking));
    }
    let without = json_body(post("/tokens/introspect"), &body);
    assert_eq!(app.ask(without).await.code(), (401, "02".to_owned()));
}
