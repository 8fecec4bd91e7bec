use actix_web::test::TestRequest;
use domain::tokens::{FamilyStatus, RevocationReason};
use serde_json::json;

use super::test_app::{
    Answer, FORM, LIFE, NOT_VALID, TOO_LARGE, TestApp, by, field, json_body, not_permitted, post, raw_body,
};

/// The bearer token is signed well, and its session has ended.
const NOT_ALIVE: &str = r#"401 [{"code":"02","message":"the bearer token is no longer valid"}]"#;

const LOGGED_OUT: FamilyStatus = FamilyStatus::Revoked(RevocationReason::Logout);

fn revoke(bearer: &str) -> TestRequest {
    by(post("/user-identities/me/revoke-token"), bearer)
}

async fn revoked(app: &TestApp, bearer: &str, token: &str) -> Answer {
    app.ask(json_body(revoke(bearer), &json!({"token": token}))).await
}

/// A session at the portal: access and refresh token.
async fn session(app: &TestApp, user: &str) -> (String, String) {
    let tokens = app.log_in(user, "portal", true).await;
    (field(&tokens, "accessToken"), field(&tokens, "refreshToken"))
}

#[actix_web::test]
async fn a_form_or_json_ends_the_session_and_is_answered_with_nothing() {
    let app = TestApp::new().await;
    let portal = app.client_token("portal").await;
    for (is_form, is_access) in [(true, false), (false, false), (true, true), (false, true)] {
        let (access, refresh) = session(&app, "ana").await;
        let token = if is_access { &access } else { &refresh };
        let request = if is_form {
            raw_body(
                revoke(&access),
                FORM,
                &format!("token={token}&token_type_hint=refresh_token"),
            )
        } else {
            json_body(
                revoke(&access),
                &json!({"token": token, "token_type_hint": "access_token"}),
            )
        };
        assert_eq!(app.ask(request).await.shown(), "200 ");
        assert_eq!(app.family(&refresh).await.status, LOGGED_OUT);
        assert_eq!(app.renew(&portal, &refresh, true).await.shown(), NOT_VALID);
        assert_eq!(revoked(&app, &access, &refresh).await.shown(), NOT_ALIVE);
        let (another, _) = session(&app, "ana").await;
        assert_eq!(revoked(&app, &another, &refresh).await.shown(), "200 ", "once more");
    }
}

#[actix_web::test]
async fn what_is_no_token_of_ours_is_answered_with_200() {
    let app = TestApp::new().await;
    let (access, refresh) = session(&app, "ana").await;
    let family = app.family(&refresh).await;
    let (head, signature) = access.rsplit_once('.').unwrap();
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
        let shown: String = token.chars().take(30).collect();
        assert_eq!(revoked(&app, &access, token).await.shown(), "200 ", "{shown}");
    }
    assert_eq!(app.family(&refresh).await, family);
}

#[actix_web::test]
async fn an_expired_access_token_is_dead_already_and_ends_nothing() {
    let app = TestApp::new().await;
    let (expired, refresh) = session(&app, "ana").await;
    app.clock.advance(LIFE);
    let (access, _) = session(&app, "ana").await;
    assert_eq!(revoked(&app, &access, &expired).await.shown(), "200 ");
    assert_eq!(app.family(&refresh).await.status, FamilyStatus::Active);
}

#[actix_web::test]
async fn an_access_token_without_a_session_is_400() {
    let app = TestApp::new().await;
    let access = field(&app.log_in("ana", "portal", false).await, "accessToken");
    let cannot = r#"400 [{"code":"01","message":"an access token without a session cannot be revoked, it ends at its exp","field":"token"}]"#;
    for token in [&access, &app.client_token("portal").await] {
        assert_eq!(revoked(&app, &access, token).await.shown(), cannot);
    }
}

#[actix_web::test]
async fn anas_token_does_nothing_to_bias_session() {
    let app = TestApp::new().await;
    let (ana, _) = session(&app, "ana").await;
    let (access, refresh) = session(&app, "bia").await;
    let family = app.family(&refresh).await;
    let elsewhere = field(&app.log_in("bia", "shop", true).await, "accessToken");
    for caller in [&ana, &elsewhere] {
        for token in [&refresh, &access] {
            assert_eq!(revoked(&app, caller, token).await.shown(), "200 ");
        }
        for remember in [true, false] {
            assert_eq!(app.renew(caller, &refresh, remember).await.shown(), NOT_VALID);
        }
    }
    assert_eq!(app.family(&refresh).await, family);
    assert_eq!(app.renew(&access, &refresh, true).await.status, 200);
}

#[actix_web::test]
async fn a_request_without_a_token_or_that_cannot_be_read_is_400_413_or_415() {
    let app = TestApp::new().await;
    let (access, refresh) = session(&app, "ana").await;
    let ask = async |media_type: &str, body: &str| app.ask(raw_body(revoke(&access), media_type, body)).await;
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
        assert_eq!(ask(media_type, body).await.shown(), missing, "{body}");
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
        assert_eq!(ask(media_type, body).await.code(), (400, "01".to_owned()), "{body}");
    }
    for media_type in ["text/plain", "multipart/form-data"] {
        assert_eq!(
            ask(media_type, "token=a").await.code(),
            (415, "01".to_owned()),
            "{media_type}"
        );
    }
    let huge = "x".repeat(1 << 20);
    assert_eq!(ask(FORM, &format!("token={huge}")).await.shown(), TOO_LARGE);
    assert_eq!(ask(json, &format!(r#"{{"token":"{huge}"}}"#)).await.shown(), TOO_LARGE);
    let in_query = by(
        post(&format!("/user-identities/me/revoke-token?token={refresh}")),
        &access,
    );
    assert_eq!(app.ask(in_query).await.shown(), missing, "a query ends up in logs");
    assert_eq!(app.family(&refresh).await.status, FamilyStatus::Active);
}

#[actix_web::test]
async fn a_locked_callers_token_ends_nothing_nor_does_one_of_before_the_lock() {
    let app = TestApp::new().await;
    let (access, refresh) = session(&app, "ana").await;
    for way in ["lock", "unlock"] {
        app.lock_or_unlock(way, "ana").await;
        let answer = revoked(&app, &access, &refresh).await;
        let expected = r#"401 [{"code":"02","message":"the bearer token is no longer valid"}]"#;
        assert_eq!(answer.shown(), expected);
        let challenge = "Bearer realm=\"authme\", error=\"invalid_token\"";
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
    }
    assert_eq!(app.family(&refresh).await.status, FamilyStatus::Active);
}

#[actix_web::test]
async fn a_client_on_its_own_revokes_nothing() {
    let app = TestApp::new().await;
    let (_, refresh) = session(&app, "ana").await;
    let portal = app.client_token("portal").await;
    assert_eq!(
        revoked(&app, &portal, &refresh).await.shown(),
        not_permitted("a token that carries a user is required")
    );
    let without = json_body(post("/user-identities/me/revoke-token"), &json!({"token": refresh}));
    assert_eq!(app.ask(without).await.code(), (401, "02".to_owned()));
    assert_eq!(app.family(&refresh).await.status, FamilyStatus::Active);
}
