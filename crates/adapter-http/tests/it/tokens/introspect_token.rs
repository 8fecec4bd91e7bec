use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::change_app::business_access_token;
use super::test_app::{
    BEGIN, BUSINESS, FORM, ISSUER, LIFE, TOO_LARGE, TestApp, TestResponse, by, field, forbidden_response, json_body,
    post, raw_body,
};

const INACTIVE: &str = r#"200 {"active":false}"#;

fn introspection_request(bearer: &str) -> TestRequest {
    by(post("/tokens/introspect"), bearer)
}

/// Introspects a token as the shop. None of the tokens here was issued to it.
async fn introspect(app: &TestApp, token: &str) -> TestResponse {
    let shop = app.client_token("shop").await;
    let response = app
        .send(json_body(introspection_request(&shop), &json!({"token": token})))
        .await;
    assert_eq!(response.header("cache-control"), Some("no-store"));
    response
}

async fn is_active(app: &TestApp, token: &str) -> bool {
    let response = introspect(app, token).await;
    let is_active = response.json()["active"] == json!(true);
    assert!(
        is_active || response.status_and_body() == INACTIVE,
        "{}",
        response.status_and_body()
    );
    is_active
}

/// Starts a session of Ana at the portal and returns its access and refresh token.
async fn start_session(app: &TestApp) -> (String, String) {
    let tokens = app.log_in("ana", "portal", true).await;
    (field(&tokens, "accessToken"), field(&tokens, "refreshToken"))
}

/// Returns the body with placeholders for random ids.
fn redact(response: &TestResponse) -> Value {
    let mut body = response.json();
    for name in ["jti", "sid"] {
        if body[name].as_str().is_some_and(|text| text.len() == 24) {
            body[name] = json!("…");
        }
    }
    body
}

#[actix_web::test]
async fn a_client_only_token_returns_its_claims() {
    let app = TestApp::new().await;
    let token = app.client_token("portal").await;
    assert_eq!(
        redact(&introspect(&app, &token).await),
        json!({
            "active": true, "scope": "READ WRITE", "client_id": "portal", "token_type": "Bearer", "exp": BEGIN + LIFE,
            "iat": BEGIN, "sub": "portal", "aud": "authme", "iss": ISSUER, "jti": "…",
            "roles": ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"],
        })
    );
}

#[actix_web::test]
async fn a_users_tokens_return_their_claims() {
    let app = TestApp::new().await;
    let (access, refresh) = start_session(&app).await;
    let roles = json!(["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]);
    let expected = json!({
        "active": true, "scope": "READ WRITE", "client_id": "portal", "token_type": "Bearer", "exp": BEGIN + LIFE,
        "iat": BEGIN, "sub": "ana", "aud": "authme", "iss": ISSUER, "jti": "…", "user_id": "ana", "roles": roles,
        "sid": "…", "epoch": 0,
    });
    let response = introspect(&app, &access).await;
    assert_eq!(redact(&response), expected);
    let family = app.family(&refresh).await;
    assert_eq!(response.json()["sid"], family.id.as_str());
    assert_eq!(
        introspect(&app, &refresh).await.json(),
        json!({
            "active": true, "client_id": "portal", "exp": family.idle_expires_at.as_second(), "sub": "ana",
            "user_id": "ana", "sid": family.id.as_str(),
        })
    );
    let response = introspect(&app, &business_access_token(&app).await).await;
    assert_eq!(
        redact(&response),
        json!({
            "active": true, "scope": "", "client_id": "portal", "token_type": "Bearer", "exp": BEGIN + LIFE,
            "iat": BEGIN, "sub": "ana", "aud": "authme", "iss": ISSUER, "jti": "…", "user_id": "ana",
            "business_id": BUSINESS, "roles": roles, "epoch": 0,
        })
    );
}

#[actix_web::test]
async fn an_invalid_token_is_inactive_without_a_reason() {
    let app = TestApp::new().await;
    let (access, refresh) = start_session(&app).await;
    let change = by(post("/user-identities/change-app?targetClientId=shop"), &access);
    let validation = field(&app.send(change).await.json(), "validationToken");
    let (head, signature) = access.rsplit_once('.').unwrap();
    let altered = format!("{head}.{}", signature.chars().rev().collect::<String>());
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
        &altered,
        &unknown_key,
        &format!("{access}."),
        &format!("Bearer {access}"),
        &format!("{refresh}0"),
        &refresh.to_uppercase(),
        &long,
    ] {
        let response = introspect(&app, token).await;
        let beginning: String = token.chars().take(30).collect();
        assert_eq!(response.status_and_body(), INACTIVE, "{beginning}");
    }
    app.clock.advance(LIFE - 1);
    assert!(is_active(&app, &access).await);
    app.clock.advance(1);
    assert!(!is_active(&app, &access).await);
    // Introspection does not use up a refresh token.
    assert!(is_active(&app, &refresh).await);
}

#[actix_web::test]
async fn tokens_stay_inactive_after_an_unlock() {
    let app = TestApp::new().await;
    let (access, refresh) = start_session(&app).await;
    let without_session = field(&app.log_in("ana", "portal", false).await, "accessToken");
    let tokens = [&access, &refresh, &without_session];
    for token in tokens {
        assert!(is_active(&app, token).await);
    }
    for command in ["lock", "unlock"] {
        app.lock_or_unlock(command, "ana").await;
        for token in tokens {
            assert!(!is_active(&app, token).await, "{command}");
        }
    }
    let (access, _) = start_session(&app).await;
    assert_eq!(introspect(&app, &access).await.json()["epoch"], 1);
}

#[actix_web::test]
async fn all_tokens_of_an_ended_session_are_inactive() {
    let app = TestApp::new().await;
    let (access, refresh) = start_session(&app).await;
    let renewed = app.renew(&access, &refresh, true).await.json();
    assert!(!is_active(&app, &refresh).await, "the token was renewed");
    let (later, current) = (field(&renewed, "accessToken"), field(&renewed, "refreshToken"));
    for token in [&access, &later, &current] {
        assert!(is_active(&app, token).await);
    }
    let closing = app.renew(&later, &current, false).await.json();
    for token in [&access, &later, &current] {
        assert!(!is_active(&app, token).await, "the session was closed");
    }
    assert!(is_active(&app, &field(&closing, "accessToken")).await);

    let (access, refresh) = start_session(&app).await;
    let revoke = by(post("/user-identities/me/revoke-token"), &access);
    assert_eq!(app.send(json_body(revoke, &json!({"token": access}))).await.status, 200);
    for token in [&access, &refresh] {
        assert!(!is_active(&app, token).await, "the session was revoked");
    }
}

#[actix_web::test]
async fn a_form_is_accepted_and_the_hint_ignored() {
    let app = TestApp::new().await;
    let (access, refresh) = start_session(&app).await;
    let shop = app.client_token("shop").await;
    for token in [&access, &refresh] {
        for hint in ["access_token", "refresh_token", "pigeon", ""] {
            let form = format!("token={token}&token_type_hint={hint}");
            let response = app.send(raw_body(introspection_request(&shop), FORM, &form)).await;
            assert_eq!(
                response.json()["active"],
                true,
                "{hint}: {}",
                response.status_and_body()
            );
        }
    }
}

#[actix_web::test]
async fn an_unreadable_request_is_400_413_or_415() {
    let app = TestApp::new().await;
    let shop = app.client_token("shop").await;
    let send =
        async |media_type: &str, body: &str| app.send(raw_body(introspection_request(&shop), media_type, body)).await;
    let json = "application/json";
    let missing = r#"400 [{"code":"01","message":"token is required","field":"token"}]"#;
    for (media_type, body) in [
        (json, ""),
        (json, "{}"),
        (json, r#"{"token":""}"#),
        (FORM, ""),
        (FORM, "token="),
    ] {
        assert_eq!(send(media_type, body).await.status_and_body(), missing, "{body}");
    }
    for (media_type, body) in [
        (json, r#"{"token":"a","token":"b"}"#),
        (json, r#"{"token":{}}"#),
        (json, r#"["a"]"#),
        (FORM, "token=a&token=b"),
    ] {
        assert_eq!(send(media_type, body).await.code(), (400, "01".to_owned()), "{body}");
    }
    assert_eq!(send("text/plain", "token=a").await.code(), (415, "01".to_owned()));
    let huge = "x".repeat(1 << 20);
    assert_eq!(send(FORM, &format!("token={huge}")).await.status_and_body(), TOO_LARGE);
    assert_eq!(
        send(json, &format!(r#"{{"token":"{huge}"}}"#)).await.status_and_body(),
        TOO_LARGE
    );
}

#[actix_web::test]
async fn introspection_requires_a_client_only_token() {
    let app = TestApp::new().await;
    let (access, _) = start_session(&app).await;
    let body = json!({"token": access});
    for (bearer, lacking) in [
        (&access, "a client-only token is required"),
        (
            &app.client_token("locker").await,
            "the token lacks the role CLI-AUTH-IDENTIFIED",
        ),
    ] {
        let response = app.send(json_body(introspection_request(bearer), &body)).await;
        assert_eq!(response.status_and_body(), forbidden_response(lacking));
    }
    let without = json_body(post("/tokens/introspect"), &body);
    assert_eq!(app.send(without).await.code(), (401, "02".to_owned()));
}
