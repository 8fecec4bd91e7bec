//! A locked credential: reported before other errors, and detected after the write of every path.

use std::sync::Arc;

use domain::caller::Call;
use domain::ids::UserId;
use domain::sessions::{FamilyStatus, RevocationReason};
use use_cases::sessions::{IssuedTokens, TokenError};
use use_cases::tokens::{ExpectedSubject, RenewTokenRequest, RenewalGrant, TokensUseCases};

use crate::change_app::{change_app, change_app_token};
use test_support::TestApp;
use test_support::calls::{PORTAL, address_of, by_identity_provider, by_token, caller, renew, renew_as, saml_login};
use test_support::fault_injection::Interleave;
use test_support::fixtures::{client_id, remove_user};

/// The tokens that the minting paths present.
pub(crate) struct HeldTokens {
    pub(crate) user: UserId,
    pub(crate) refresh_token: String,
    validation_token: String,
    /// A validation token from `change-app`.
    changed: String,
    pub(crate) holder: Call,
}

pub(crate) async fn issue_tokens(app: &TestApp) -> HeldTokens {
    let user = app.user().await;
    let tokens = renew(&app.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = app.caller_of(&tokens);
    HeldTokens {
        changed: change_app_token(&app.tokens, &holder, PORTAL).await,
        holder,
        refresh_token: tokens.refresh_token.unwrap(),
        validation_token: app.validation_token(&user).await,
        user,
    }
}

/// Runs each minting path, and returns the answers by name.
pub(crate) async fn every_path(
    tokens: &TokensUseCases,
    held: &HeldTokens,
) -> Vec<(&'static str, Result<(), TokenError>)> {
    let refresh = &held.refresh_token;
    let drop_tokens = |answer: Result<IssuedTokens, TokenError>| answer.map(drop);
    let issued = tokens
        .handle_auth
        .run(&caller("saml"), saml_login(&address_of(&held.user)))
        .await;
    let by_session = renew_as(tokens, &held.holder, by_identity_provider(&held.user)).await;
    let changed = change_app(tokens, &held.holder, PORTAL).await;
    vec![
        (
            "by refresh token",
            drop_tokens(renew(tokens, by_token(refresh, true)).await),
        ),
        ("closing", drop_tokens(renew(tokens, by_token(refresh, false)).await)),
        (
            "by validation token",
            drop_tokens(renew(tokens, by_token(&held.validation_token, true)).await),
        ),
        (
            "by identity provider",
            drop_tokens(renew(tokens, by_identity_provider(&held.user)).await),
        ),
        ("from a session", drop_tokens(by_session)),
        ("handle-auth", issued.map(drop)),
        ("change-app", changed.map(drop)),
        (
            "by a change-app token",
            drop_tokens(renew(tokens, by_token(&held.changed, true)).await),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_mints_for_a_locked_user() {
    let app = TestApp::new().await;
    let held = issue_tokens(&app).await;
    let signatures = app.signer.signatures();
    app.lock(&held.user).await;
    for (path, answer) in every_path(&app.tokens, &held).await {
        assert!(
            matches!(answer, Err(TokenError::CredentialLocked)),
            "{path}: {answer:?}"
        );
    }
    assert_eq!(app.signer.signatures(), signatures);
    assert!(app.renewable_tokens(&held.user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_reported_on_every_request() {
    let app = TestApp::new().await;
    let held = issue_tokens(&app).await;
    app.lock(&held.user).await;
    every_path(&app.tokens, &held).await;
    for (path, answer) in every_path(&app.tokens, &held).await {
        assert!(
            matches!(answer, Err(TokenError::CredentialLocked)),
            "{path}: {answer:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unlocking_revives_no_session_and_allows_new_ones() {
    let app = TestApp::new().await;
    let held = issue_tokens(&app).await;
    app.lock(&held.user).await;
    app.unlock(&held.user).await;
    assert!(app.renewable_tokens(&held.user).await.is_empty());
    for (path, answer) in every_path(&app.tokens, &held).await {
        match path {
            "by identity provider" | "handle-auth" => assert!(answer.is_ok(), "{path}: {answer:?}"),
            _ => assert!(matches!(answer, Err(TokenError::TokenNotValid)), "{path}: {answer:?}"),
        }
    }
    let family = app.family_of(&held.refresh_token).await;
    assert_eq!(family.status, FamilyStatus::Revoked(RevocationReason::Lock));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_reported_before_user_and_client_errors() {
    for disabled in [false, true] {
        let app = TestApp::new().await;
        let held = issue_tokens(&app).await;
        app.lock(&held.user).await;
        remove_user(&app.stores, &held.user).await;
        app.change_client(PORTAL, |portal| portal.is_enabled = !disabled).await;
        for (path, answer) in every_path(&app.tokens, &held).await {
            let is_about_the_client = disabled && ["by identity provider", "from a session"].contains(&path);
            // The login of a removed user names no user, and the permission of the client is judged first.
            if path != "handle-auth" && !is_about_the_client {
                assert!(
                    matches!(answer, Err(TokenError::CredentialLocked)),
                    "{path}: {answer:?}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_reported_before_a_disabled_alias() {
    let app = TestApp::new().await;
    let held = issue_tokens(&app).await;
    app.lock(&held.user).await;
    app.change_client(PORTAL, |portal| {
        portal.aliases = vec![client_id("alias")];
        portal.is_enabled = false;
    })
    .await;
    for token in [&held.refresh_token, &held.validation_token] {
        let expected = ExpectedSubject {
            client: Some(client_id("alias")),
            user: None,
        };
        let grant = RenewalGrant::Token {
            token: token.clone(),
            expected,
        };
        let answer = renew(
            &app.tokens,
            RenewTokenRequest {
                grant,
                is_remembered: true,
            },
        )
        .await;
        assert!(matches!(answer, Err(TokenError::CredentialLocked)), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_reported_before_an_unlinked_business() {
    let app = TestApp::new().await;
    let user = app.user().await;
    app.lock(&user).await;
    let request = use_cases::tokens::HandleAuthRequest {
        business: Some(domain::ids::BusinessId::parse("business").unwrap()),
        ..saml_login(&address_of(&user))
    };
    let answer = app.tokens.handle_auth.run(&caller("saml"), request.clone()).await;
    assert!(matches!(answer, Err(TokenError::CredentialLocked)));
    app.unlock(&user).await;
    let answer = app.tokens.handle_auth.run(&caller("saml"), request).await;
    assert!(matches!(answer, Err(TokenError::BusinessNotLinked)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_by_a_locked_user_reports_the_lock() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    let second = app.successor(&first).await;
    app.successor(&second).await;
    app.lock(&user).await;
    assert!(matches!(app.renew(&first).await, Err(TokenError::CredentialLocked)));
    assert_eq!(app.metrics.replays(), 0);
    let status = app.family_of(&first).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Lock));
}

/// The minting paths and a write of each.
pub(crate) const WRITES: [(&str, &str); 7] = [
    ("families.rotate", "by refresh token"),
    ("families.close", "closing"),
    ("families.start", "by identity provider"),
    ("validation_tokens.consume", "by validation token"),
    ("validation_tokens.consume", "by a change-app token"),
    ("validation_tokens.issue", "handle-auth"),
    ("validation_tokens.issue", "change-app"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_path_detects_a_lock_after_its_write() {
    for (write, path) in WRITES {
        for is_unlocked_again in [false, true] {
            let app = Arc::new(TestApp::new().await);
            let held = issue_tokens(&app).await;
            let (concurrent, user) = (app.clone(), held.user.clone());
            let interleaved = app.with_faults(&Interleave::after(write, move || async move {
                concurrent.lock(&user).await;
                if is_unlocked_again {
                    concurrent.unlock(&user).await;
                }
            }));
            let before = app.signer.signatures();
            let answer = mint_by_path(path, &interleaved, &held).await;
            let expected = if is_unlocked_again {
                matches!(answer, Err(TokenError::TokenNotValid))
            } else {
                matches!(answer, Err(TokenError::CredentialLocked))
            };
            assert!(expected, "{path}, unlocked again: {is_unlocked_again}: {answer:?}");
            assert_eq!(app.signer.signatures(), before, "{path}");
            assert!(app.renewable_tokens(&held.user).await.is_empty(), "{path}");
            assert_family_revoked(&app, path, &held, RevocationReason::Lock).await;
        }
    }
}

pub(crate) async fn mint_by_path(path: &str, tokens: &TokensUseCases, held: &HeldTokens) -> Result<(), TokenError> {
    let request = match path {
        "by refresh token" => by_token(&held.refresh_token, true),
        "closing" => by_token(&held.refresh_token, false),
        "by identity provider" => by_identity_provider(&held.user),
        "by validation token" => by_token(&held.validation_token, true),
        "by a change-app token" => by_token(&held.changed, true),
        "change-app" => return change_app(tokens, &held.holder, PORTAL).await.map(drop),
        _ => {
            return tokens
                .handle_auth
                .run(&caller("saml"), saml_login(&address_of(&held.user)))
                .await
                .map(drop);
        }
    };
    renew(tokens, request).await.map(drop)
}

/// Asserts that the family that the path wrote or presented was revoked for the reason.
pub(crate) async fn assert_family_revoked(app: &TestApp, path: &str, held: &HeldTokens, reason: RevocationReason) {
    let own = app.decode(&held.refresh_token).family;
    let families = app.families(&held.user).await;
    let met = match path {
        "by refresh token" | "change-app" => families.into_iter().find(|family| family.id == own),
        "by identity provider" | "by validation token" | "by a change-app token" => {
            families.into_iter().find(|family| family.id != own)
        }
        _ => return,
    };
    let status = met.unwrap().status;
    assert_eq!(status, FamilyStatus::Revoked(reason), "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_lock_emits_no_event() {
    let app = TestApp::new().await;
    let user = app.user().await;
    app.lock(&user).await;
    app.lock(&user).await;
    let events = app.events().await;
    assert_eq!(events.len(), 1, "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn locking_an_unknown_user_is_rejected() {
    let app = TestApp::new().await;
    let unknown = UserId::parse("unknown").unwrap();
    let rejected = app.try_lock(&unknown).await;
    assert!(matches!(
        rejected,
        Err(use_cases::credential_lock::LockError::UserNotFound)
    ));
}
