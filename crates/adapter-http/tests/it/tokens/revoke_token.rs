use actix_web::test::TestRequest;
use domain::sessions::{FamilyStatus, RevocationReason};
use serde_json::json;

use super::test_app::{
    FORM, LIFE, NOT_VALID, TOO_LARGE, TestApp, TestResponse, by, field, forbidden_response, json_body, post, raw_body,
};

/// The response for a bearer token with a valid signature whose session has ended.
const INACTIVE: &str = r#"401 [{"code":"02","message":"the access token is no longer active"}]"#;

const LOGGED_OUT: FamilyStatus = FamilyStatus::Revoked(RevocationReason::Logout);

fn revocation_request(bearer: &str) -> TestRequest {
    by(post("/user-identities/me/revoke-token"), bearer)
}

async fn revoke(app: &TestApp, bearer: &str, token: &str) -> TestResponse {
    app.send(json_body(revocation_request(bearer), &json!({"token": token})))
        .await
}

/// Starts a session at the portal and returns its access and refresh token.
async fn start_session(app: &TestApp, user: &str) -> (String, String) {
    let tokens = app.log_in(user, "portal", true).await;
    (field(&tokens, "accessToken"), field(&tokens, "refreshToken"))
}

#[actix_web::test]
async fn a_form_or_json_revokes_the_session() {
    let app = TestApp::new().await;
    let portal = app.client_token("portal").await;
    for (is_form, is_access) in [(true, false), (false, false), (true, true), (false, true)] {
        let (access, refresh) = start_session(&app, "ana").await;
        let token = if is_access { &access } else { &refresh };
        let request = if is_form {
            raw_body(
                revocation_request(&access),
                FORM,
                &format!("token={token}&token_type_hint=refresh_token"),
            )
        } else {
            json_body(
                revocation_request(&access),
                &json!({"token": token, "token_type_hint": "access_token"}),
            )
        };
        assert_eq!(app.send(request).await.status_and_body(), "200 ");
        assert_eq!(app.family(&refresh).await.status, LOGGED_OUT);
        assert_eq!(app.renew(&portal, &refresh, true).await.status_and_body(), NOT_VALID);
        assert_eq!(revoke(&app, &access, &refresh).await.status_and_body(), INACTIVE);
        let (another, _) = start_session(&app, "ana").await;
        assert_eq!(
            revoke(&app, &another, &refresh).await.status_and_body(),
            "200 ",
            "a repeated revocation"
        );
    }
}

#[actix_web::test]
async fn an_unknown_token_is_200_and_revokes_nothing() {
    let app = TestApp::new().await;
    let (access, refresh) = start_session(&app, "ana").await;
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
        let beginning: String = token.chars().take(30).collect();
        assert_eq!(
            revoke(&app, &access, token).await.status_and_body(),
            "200 ",
            "{beginning}"
        );
    }
    assert_eq!(app.family(&refresh).await, family);
}

#[actix_web::test]
async fn an_expired_access_token_revokes_nothing() {
    let app = TestApp::new().await;
    let (expired, refresh) = start_session(&app, "ana").await;
    app.clock.advance(LIFE);
    let (access, _) = start_session(&app, "ana").await;
    assert_eq!(revoke(&app, &access, &expired).await.status_and_body(), "200 ");
    assert_eq!(app.family(&refresh).await.status, FamilyStatus::Active);
}

#[actix_web::test]
async fn an_access_token_without_a_session_is_400() {
    let app = TestApp::new().await;
    let access = field(&app.log_in("ana", "portal", false).await, "accessToken");
    let expected = r#"400 [{"code":"01","message":"an access token without a session cannot be revoked, it ends at its exp","field":"token"}]"#;
    for token in [&access, &app.client_token("portal").await] {
        assert_eq!(revoke(&app, &access, token).await.status_and_body(), expected);
    }
}

#[actix_web::test]
async fn a_token_of_another_user_or_client_is_ignored() {
    let app = TestApp::new().await;
    let (ana, _) = start_session(&app, "ana").await;
    let (access, refresh) = start_session(&app, "bia").await;
    let family = app.family(&refresh).await;
    let elsewhere = field(&app.log_in("bia", "shop", true).await, "accessToken");
    for caller in [&ana, &elsewhere] {
        for token in [&refresh, &access] {
            assert_eq!(revoke(&app, caller, token).await.status_and_body(), "200 ");
        }
        for remember in [true, false] {
            assert_eq!(app.renew(caller, &refresh, remember).await.status_and_body(), NOT_VALID);
        }
    }
    assert_eq!(app.family(&refresh).await, family);
    assert_eq!(app.renew(&access, &refresh, true).await.status, 200);
}

#[actix_web::test]
async fn an_unreadable_request_is_400_413_or_415() {
    let app = TestApp::new().await;
    let (access, refresh) = start_session(&app, "ana").await;
    let send =
        async |media_type: &str, body: &str| app.send(raw_body(revocation_request(&access), media_type, body)).await;
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
        assert_eq!(send(media_type, body).await.status_and_body(), missing, "{body}");
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
        assert_eq!(send(media_type, body).await.code(), (400, "01".to_owned()), "{body}");
    }
    for media_type in ["text/plain", "multipart/form-data"] {
        assert_eq!(
            send(media_type, "token=a").await.code(),
            (415, "01".to_owned()),
            "{media_type}"
        );
    }
    let huge = "x".repeat(1 << 20);
    assert_eq!(send(FORM, &format!("token={huge}")).await.status_and_body(), TOO_LARGE);
    assert_eq!(
        send(json, &format!(r#"{{"token":"{huge}"}}"#)).await.status_and_body(),
        TOO_LARGE
    );
    let in_query = by(
        post(&format!("/user-identities/me/revoke-token?token={refresh}")),
        &access,
    );
    assert_eq!(
        app.send(in_query).await.status_and_body(),
        missing,
        "a token in the query is ignored"
    );
    assert_eq!(app.family(&refresh).await.status, FamilyStatus::Active);
}

#[actix_web::test]
async fn a_caller_with_an_inactive_token_revokes_nothing() {
    let app = TestApp::new().await;
    let (access, refresh) = start_session(&app, "ana").await;
    for command in ["lock", "unlock"] {
        app.lock_or_unlock(command, "ana").await;
        let response = revoke(&app, &access, &refresh).await;
        let expected = r#"401 [{"code":"02","message":"the access token is no longer active"}]"#;
        assert_eq!(response.status_and_body(), expected);
        let challenge = "Bearer realm=\"authme\", error=\"invalid_token\"";
        assert_eq!(response.header("www-authenticate"), Some(challenge));
    }
    assert_eq!(app.family(&refresh).await.status, FamilyStatus::Active);
}

#[actix_web::test]
async fn revocation_requires_a_users_token() {
    let app = TestApp::new().await;
    let (_, refresh) = start_session(&app, "ana").await;
    let portal = app.client_token("portal").await;
    assert_eq!(
        revoke(&app, &portal, &refresh).await.status_and_body(),
        forbidden_response("a token that carries a user is required")
    );
    let without = json_body(post("/user-identities/me/revoke-token"), &json!({"token": refresh}));
    assert_eq!(app.send(without).await.code(), (401, "02".to_owned()));
    assert_eq!(app.family(&refresh).await.status, FamilyStatus::Active);
}
