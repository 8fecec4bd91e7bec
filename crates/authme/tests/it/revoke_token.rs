//! Revocation of tokens (RFC 7009).

use domain::sessions::{FamilyStatus, RevocationReason};
use serde_json::json;

use crate::fixtures::{ANA_MAIL, BIA_MAIL};
use crate::test_app::{LIFE, NOT_VALID, TOO_LARGE, TestApp, forbidden_response};
use test_support::http::{Answer, FORM, Request};

/// The response for a bearer token with a valid signature whose session has ended.
const INACTIVE: &str = r#"401 [{"code":"02","message":"the access token is no longer active"}]"#;

const LOGGED_OUT: FamilyStatus = FamilyStatus::Revoked(RevocationReason::Logout);

fn revocation_request(bearer: &str) -> Request {
    Request::post("/user-identities/me/revoke-token").bearer(bearer)
}

fn revoke(app: &TestApp, bearer: &str, token: &str) -> Answer {
    app.send(revocation_request(bearer).json(&json!({"token": token})))
}

#[test]
fn a_form_or_json_revokes_the_session() {
    let app = TestApp::start();
    let portal = app.client_token("portal");
    for (is_form, is_access) in [(true, false), (false, false), (true, true), (false, true)] {
        let (access, refresh) = app.session_tokens(ANA_MAIL);
        let token = if is_access { &access } else { &refresh };
        let request = if is_form {
            revocation_request(&access)
                .header("Content-Type", FORM)
                .body(format!("token={token}&token_type_hint=refresh_token"))
        } else {
            revocation_request(&access).json(&json!({"token": token, "token_type_hint": "access_token"}))
        };
        assert_eq!(app.send(request).summary(), "200 ");
        assert_eq!(app.family(&refresh).status, LOGGED_OUT);
        assert_eq!(app.renew(&portal, &refresh, "true").summary(), NOT_VALID);
        assert_eq!(revoke(&app, &access, &refresh).summary(), INACTIVE);
        let (another, _) = app.session_tokens(ANA_MAIL);
        assert_eq!(
            revoke(&app, &another, &refresh).summary(),
            "200 ",
            "a repeated revocation"
        );
    }
}

#[test]
fn an_unknown_token_is_200_and_revokes_nothing() {
    let app = TestApp::start();
    let (access, refresh) = app.session_tokens(ANA_MAIL);
    let family = app.family(&refresh);
    let (head, signature) = access.rsplit_once('.').expect("a signed token");
    let jwt = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let long = "x".repeat(60_000);
    let many_dots = ".".repeat(60_000);
    let long_refresh = format!("rt_{}", "a.".repeat(20_000));
    for token in [
        "x",
        " ",
        "\0",
        "é",
        "rt_",
        "rt_....",
        "vt_",
        "a.b.c",
        "..",
        "eyJhbGciOiJub25lIn0.e30.",
        "null",
        "{}",
        &format!("{refresh}0"),
        &refresh.to_uppercase(),
        &format!("{refresh} "),
        &jwt,
        &long,
        &many_dots,
        &long_refresh,
    ] {
        let beginning: String = token.chars().take(30).collect();
        assert_eq!(revoke(&app, &access, token).summary(), "200 ", "{beginning}");
    }
    assert_eq!(app.family(&refresh), family);
}

#[test]
fn an_expired_access_token_revokes_nothing() {
    let app = TestApp::start();
    let (expired, refresh) = app.session_tokens(ANA_MAIL);
    app.clock.advance_seconds(LIFE);
    let (access, _) = app.session_tokens(ANA_MAIL);
    assert_eq!(revoke(&app, &access, &expired).summary(), "200 ");
    assert_eq!(app.family(&refresh).status, FamilyStatus::Active);
}

#[test]
fn an_access_token_without_a_session_is_400() {
    let app = TestApp::start();
    let access = app.user_token(ANA_MAIL, "portal");
    let expected = r#"400 [{"code":"01","message":"an access token without a session cannot be revoked, it ends at its exp","field":"token"}]"#;
    for token in [&access, &app.client_token("portal")] {
        assert_eq!(revoke(&app, &access, token).summary(), expected);
    }
}

#[test]
fn a_token_of_another_user_or_client_is_ignored() {
    let app = TestApp::start();
    let (ana, _) = app.session_tokens(ANA_MAIL);
    let (access, refresh) = app.session_tokens(BIA_MAIL);
    let family = app.family(&refresh);
    let elsewhere = app.user_token(BIA_MAIL, "shop");
    for caller in [&ana, &elsewhere] {
        for token in [&refresh, &access] {
            assert_eq!(revoke(&app, caller, token).summary(), "200 ");
        }
        for remember in ["true", "false"] {
            assert_eq!(app.renew(caller, &refresh, remember).summary(), NOT_VALID);
        }
    }
    assert_eq!(app.family(&refresh), family);
    assert_eq!(app.renew(&access, &refresh, "true").status, 200);
}

#[test]
fn an_unreadable_request_is_400_413_or_415() {
    let app = TestApp::start();
    let (access, refresh) = app.session_tokens(ANA_MAIL);
    let send = |media_type: &str, body: &str| {
        app.send(
            revocation_request(&access)
                .header("Content-Type", media_type)
                .body(body),
        )
    };
    let json = "application/json";
    let missing = r#"400 [{"code":"01","message":"token is required","field":"token"}]"#;
    for (media_type, body) in [
        (json, ""),
        (json, "{}"),
        (json, r#"{"token":null}"#),
        (json, r#"{"token":""}"#),
        (json, r#"{"token_type_hint":"refresh_token"}"#),
        (FORM, ""),
        (FORM, "token="),
        (FORM, "Token=x"),
    ] {
        assert_eq!(send(media_type, body).summary(), missing, "{body}");
    }
    let doubled = format!("token={refresh}&token={refresh}");
    for (media_type, body) in [
        (json, r#"{"token":["a"]}"#),
        (json, r#"{"token":1}"#),
        (json, r#"{"token":"a","token":"a"}"#),
        (json, r#"{"token":"a","token_type_hint":1}"#),
        (json, r#"{"token":"a","token_type_hint":"a","token_type_hint":"a"}"#),
        (json, r#"["a"]"#),
        (json, "null"),
        (json, "{"),
        (json, "token=a"),
        (FORM, &doubled),
        (FORM, "token=a&token_type_hint=a&token_type_hint=a"),
    ] {
        assert_eq!(send(media_type, body).codes(), (400, vec!["01".to_owned()]), "{body}");
    }
    for media_type in ["text/plain", "multipart/form-data"] {
        assert_eq!(
            send(media_type, "token=a").codes(),
            (415, vec!["01".to_owned()]),
            "{media_type}"
        );
    }
    let huge = "x".repeat(1 << 20);
    assert_eq!(send(FORM, &format!("token={huge}")).summary(), TOO_LARGE);
    assert_eq!(send(json, &format!(r#"{{"token":"{huge}"}}"#)).summary(), TOO_LARGE);
    let in_query = Request::post(&format!("/user-identities/me/revoke-token?token={refresh}")).bearer(&access);
    assert_eq!(app.send(in_query).summary(), missing, "a token in the query is ignored");
    assert_eq!(app.family(&refresh).status, FamilyStatus::Active);
}

#[test]
fn a_caller_with_an_inactive_token_revokes_nothing() {
    let app = TestApp::start();
    let (access, refresh) = app.session_tokens(ANA_MAIL);
    for command in ["lock", "unlock"] {
        app.lock_or_unlock(command, "ana");
        let response = revoke(&app, &access, &refresh);
        let expected = r#"401 [{"code":"02","message":"the access token is no longer active"}]"#;
        assert_eq!(response.summary(), expected);
        let challenge = "Bearer realm=\"authme\", error=\"invalid_token\"";
        assert_eq!(response.header("www-authenticate"), Some(challenge));
    }
    assert_eq!(app.family(&refresh).status, FamilyStatus::Active);
}

#[test]
fn revocation_requires_a_users_token() {
    let app = TestApp::start();
    let (_, refresh) = app.session_tokens(ANA_MAIL);
    let portal = app.client_token("portal");
    assert_eq!(
        revoke(&app, &portal, &refresh).summary(),
        forbidden_response("a token that carries a user is required")
    );
    let without = Request::post("/user-identities/me/revoke-token").json(&json!({"token": refresh}));
    assert_eq!(app.send(without).codes(), (401, vec!["02".to_owned()]));
    assert_eq!(app.family(&refresh).status, FamilyStatus::Active);
}
