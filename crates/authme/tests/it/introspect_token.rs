//! Introspection of tokens (RFC 7662).

use serde_json::{Value, json};

use crate::change_app::business_access_token;
use crate::fixtures::{ANA_MAIL, BUSINESS};
use crate::test_app::{ISSUER, LIFE, START, TOO_LARGE, TestApp, field, forbidden_response};
use test_support::http::{Answer, FORM, Request};

const INACTIVE: &str = r#"200 {"active":false}"#;

fn introspection_request(bearer: &str) -> Request {
    Request::post("/tokens/introspect").bearer(bearer)
}

/// Introspects a token as the shop. None of the tokens here was issued to it.
fn introspect(app: &TestApp, token: &str) -> Answer {
    let shop = app.client_token("shop");
    let response = app.send(introspection_request(&shop).json(&json!({"token": token})));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    response
}

fn is_active(app: &TestApp, token: &str) -> bool {
    let response = introspect(app, token);
    let is_active = response.json()["active"] == json!(true);
    assert!(is_active || response.summary() == INACTIVE, "{}", response.summary());
    is_active
}

/// Returns the body with placeholders for random ids.
fn redact(response: &Answer) -> Value {
    let mut body = response.json();
    for name in ["jti", "sid"] {
        if body[name].as_str().is_some_and(|text| text.len() == 24) {
            body[name] = json!("…");
        }
    }
    body
}

#[test]
fn a_client_only_token_returns_its_claims() {
    let app = TestApp::start();
    let token = app.client_token("portal");
    assert_eq!(
        redact(&introspect(&app, &token)),
        json!({
            "active": true, "scope": "READ WRITE", "client_id": "portal", "token_type": "Bearer", "exp": START + LIFE,
            "iat": START, "sub": "portal", "aud": "authme", "iss": ISSUER, "jti": "…",
            "roles": ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"],
        })
    );
}

#[test]
fn a_users_tokens_return_their_claims() {
    let app = TestApp::start();
    let (access, refresh) = app.session_tokens(ANA_MAIL);
    let roles = json!(["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY", "AUTH-BASIC", "USER"]);
    let expected = json!({
        "active": true, "scope": "READ WRITE", "client_id": "portal", "token_type": "Bearer", "exp": START + LIFE,
        "iat": START, "sub": "ana", "aud": "authme", "iss": ISSUER, "jti": "…", "user_id": "ana", "roles": roles,
        "sid": "…", "epoch": 0,
    });
    let response = introspect(&app, &access);
    assert_eq!(redact(&response), expected);
    let family = app.family(&refresh);
    assert_eq!(response.json()["sid"], family.id.as_str());
    assert_eq!(
        introspect(&app, &refresh).json(),
        json!({
            "active": true, "client_id": "portal", "exp": family.idle_expires_at.as_second(), "sub": "ana",
            "user_id": "ana", "sid": family.id.as_str(),
        })
    );
    let response = introspect(&app, &business_access_token(&app));
    assert_eq!(
        redact(&response),
        json!({
            "active": true, "scope": "", "client_id": "portal", "token_type": "Bearer", "exp": START + LIFE,
            "iat": START, "sub": "ana", "aud": "authme", "iss": ISSUER, "jti": "…", "user_id": "ana",
            "business_id": BUSINESS, "roles": roles, "epoch": 0,
        })
    );
}

#[test]
fn an_invalid_token_is_inactive_without_a_reason() {
    let app = TestApp::start();
    let (access, refresh) = app.session_tokens(ANA_MAIL);
    let change = Request::post("/user-identities/change-app?targetClientId=shop").bearer(&access);
    let validation = field(&app.send(change).json(), "validationToken");
    let (head, signature) = access.rsplit_once('.').expect("a signed token");
    let altered = format!("{head}.{}", signature.chars().rev().collect::<String>());
    // {"alg":"RS512","typ":"at+jwt","kid":"unknown"}
    let unknown_key = access.replacen(
        access.split('.').next().expect("a signed token"),
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
        let response = introspect(&app, token);
        let beginning: String = token.chars().take(30).collect();
        assert_eq!(response.summary(), INACTIVE, "{beginning}");
    }
    app.clock.advance_seconds(LIFE - 1);
    assert!(is_active(&app, &access));
    app.clock.advance_seconds(1);
    assert!(!is_active(&app, &access));
    // Introspection does not use up a refresh token.
    assert!(is_active(&app, &refresh));
}

#[test]
fn tokens_stay_inactive_after_an_unlock() {
    let app = TestApp::start();
    let (access, refresh) = app.session_tokens(ANA_MAIL);
    let without_session = app.user_token(ANA_MAIL, "portal");
    let tokens = [&access, &refresh, &without_session];
    for token in tokens {
        assert!(is_active(&app, token));
    }
    for command in ["lock", "unlock"] {
        app.lock_or_unlock(command, "ana");
        for token in tokens {
            assert!(!is_active(&app, token), "{command}");
        }
    }
    let (access, _) = app.session_tokens(ANA_MAIL);
    assert_eq!(introspect(&app, &access).json()["epoch"], 1);
}

#[test]
fn all_tokens_of_an_ended_session_are_inactive() {
    let app = TestApp::start();
    let (access, refresh) = app.session_tokens(ANA_MAIL);
    let renewed = app.renew(&access, &refresh, "true").json();
    assert!(!is_active(&app, &refresh), "the token was renewed");
    let (later, current) = (field(&renewed, "accessToken"), field(&renewed, "refreshToken"));
    for token in [&access, &later, &current] {
        assert!(is_active(&app, token));
    }
    let closing = app.renew(&later, &current, "false").json();
    for token in [&access, &later, &current] {
        assert!(!is_active(&app, token), "the session was closed");
    }
    assert!(is_active(&app, &field(&closing, "accessToken")));

    let (access, refresh) = app.session_tokens(ANA_MAIL);
    let revoke = Request::post("/user-identities/me/revoke-token").bearer(&access);
    assert_eq!(app.send(revoke.json(&json!({"token": access}))).status, 200);
    for token in [&access, &refresh] {
        assert!(!is_active(&app, token), "the session was revoked");
    }
}

#[test]
fn a_form_is_accepted_and_the_hint_ignored() {
    let app = TestApp::start();
    let (access, refresh) = app.session_tokens(ANA_MAIL);
    let shop = app.client_token("shop");
    for token in [&access, &refresh] {
        for hint in ["access_token", "refresh_token", "pigeon", ""] {
            let form = format!("token={token}&token_type_hint={hint}");
            let response = app.send(introspection_request(&shop).header("Content-Type", FORM).body(form));
            assert_eq!(response.json()["active"], true, "{hint}: {}", response.summary());
        }
    }
}

#[test]
fn an_unreadable_request_is_400_413_or_415() {
    let app = TestApp::start();
    let shop = app.client_token("shop");
    let send = |media_type: &str, body: &str| {
        app.send(
            introspection_request(&shop)
                .header("Content-Type", media_type)
                .body(body),
        )
    };
    let json = "application/json";
    let missing = r#"400 [{"code":"01","message":"token is required","field":"token"}]"#;
    for (media_type, body) in [
        (json, ""),
        (json, "{}"),
        (json, r#"{"token":""}"#),
        (FORM, ""),
        (FORM, "token="),
    ] {
        assert_eq!(send(media_type, body).summary(), missing, "{body}");
    }
    for (media_type, body) in [
        (json, r#"{"token":"a","token":"b"}"#),
        (json, r#"{"token":{}}"#),
        (json, r#"["a"]"#),
        (FORM, "token=a&token=b"),
    ] {
        assert_eq!(send(media_type, body).codes(), (400, vec!["01".to_owned()]), "{body}");
    }
    assert_eq!(send("text/plain", "token=a").codes(), (415, vec!["01".to_owned()]));
    let huge = "x".repeat(1 << 20);
    assert_eq!(send(FORM, &format!("token={huge}")).summary(), TOO_LARGE);
    assert_eq!(send(json, &format!(r#"{{"token":"{huge}"}}"#)).summary(), TOO_LARGE);
}

#[test]
fn introspection_requires_a_client_only_token() {
    let app = TestApp::start();
    let (access, _) = app.session_tokens(ANA_MAIL);
    let body = json!({"token": access});
    for (bearer, lacking) in [
        (&access, "a client-only token is required"),
        (
            &app.client_token("locker"),
            "the token lacks the role CLI-AUTH-IDENTIFIED",
        ),
    ] {
        let response = app.send(introspection_request(bearer).json(&body));
        assert_eq!(response.summary(), forbidden_response(lacking));
    }
    let without = Request::post("/tokens/introspect").json(&body);
    assert_eq!(app.send(without).codes(), (401, vec!["02".to_owned()]));
}
