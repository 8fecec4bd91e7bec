//! Renewal by validation token: by the client that it was issued for, once, and again while its answer may be lost.

use std::sync::Arc;
use std::time::Duration;

use adapter_crypto::Sha256;
use domain::ids::UserId;
use domain::sessions::{FamilyStatus, RevocationReason};
use domain::tokens::ValidationToken;
use ports::Runtime;
use ports::tokens::ValidationTokenHasher as _;
use use_cases::sessions::{IssuedTokens, TokenError};
use use_cases::tokens::{InspectedToken, TokensSettings};

use crate::change_app::change_app_token;
use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::{PORTAL, by_identity_provider, by_token, caller, client, renew, renew_as};
use test_support::fakes::Records;
use test_support::fault_injection::{FaultInjector, Interleave, RecordedCalls};
use test_support::fixtures::{remove_user, restore_user};

const MILLISECOND: Duration = Duration::from_millis(1);

async fn redeem(app: &TestApp, token: &str) -> Result<IssuedTokens, TokenError> {
    renew(&app.tokens, by_token(token, true)).await
}

#[track_caller]
fn assert_not_valid(answer: &Result<IssuedTokens, TokenError>) {
    assert!(matches!(answer, Err(TokenError::TokenNotValid)), "{answer:?}");
}

/// Asserts that the user has one session, and that this is its current refresh token.
async fn assert_one_session(app: &TestApp, user: &UserId, token: &str) {
    assert_eq!(app.renewable_tokens(user).await, [token]);
    assert_eq!(app.families(user).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_use_gets_the_same_session() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    // The grace time ends after the validation token has expired.
    app.clock
        .advance(TokensSettings::default().validation_token_lifetime - MILLISECOND);
    let first = redeem(&app, &token).await.unwrap();
    for wait in [Duration::ZERO, GRACE - MILLISECOND] {
        app.clock.advance(wait);
        let again = redeem(&app, &token).await.unwrap();
        assert_ne!(again.access_token, first.access_token);
        assert_eq!(app.caller_of(&again).user, app.caller_of(&first).user);
        assert_eq!(again.refresh_token, first.refresh_token);
    }
    app.clock.advance(MILLISECOND);
    assert_not_valid(&redeem(&app, &token).await);
    assert_one_session(&app, &user, &first.refresh_token.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_a_validation_token_works_once() {
    let app = TestApp::strict().await;
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    let tokens = redeem(&app, &token).await.unwrap();
    assert_not_valid(&redeem(&app, &token).await);
    assert_one_session(&app, &user, &tokens.refresh_token.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_use_of_a_renewed_session_is_not_repeated() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    let first = redeem(&app, &token).await.unwrap().refresh_token.unwrap();
    let second = app.successor(&first).await;
    assert_not_valid(&redeem(&app, &token).await);
    assert_one_session(&app, &user, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_use_of_an_ended_session_is_not_repeated() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let (closed, revoked) = (app.validation_token(&user).await, app.validation_token(&user).await);
    let refresh = redeem(&app, &closed).await.unwrap().refresh_token.unwrap();
    app.close(&refresh).await.unwrap();
    let refresh = redeem(&app, &revoked).await.unwrap().refresh_token.unwrap();
    let logout = InspectedToken::Other(refresh);
    app.tokens.revoke_token.run(&caller(PORTAL), &logout).await.unwrap();
    for token in [closed, revoked] {
        assert_not_valid(&redeem(&app, &token).await);
    }
    assert!(app.renewable_tokens(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_use_without_remember_me_gets_an_access_token() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    for _ in 0..2 {
        let tokens = renew(&app.tokens, by_token(&token, false)).await.unwrap();
        assert_eq!(tokens.refresh_token, None);
        assert_eq!(app.caller_of(&tokens).user.as_ref().unwrap().session, None);
    }
    // The use is not turned into another one.
    assert_not_valid(&redeem(&app, &token).await);
    app.clock.advance(GRACE);
    assert_not_valid(&renew(&app.tokens, by_token(&token, false)).await);
    assert!(app.families(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_of_a_session_is_not_turned_into_an_access_token_alone() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    let tokens = redeem(&app, &token).await.unwrap();
    assert_not_valid(&renew(&app.tokens, by_token(&token, false)).await);
    assert_one_session(&app, &user, &tokens.refresh_token.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_or_user_does_not_repeat_a_use() {
    let app = TestApp::new().await;
    let (user, other) = (app.user().await, app.user().await);
    app.stores.clients.create(&client("other")).await.unwrap();
    let others = app.session(&other).await;
    let others = app.caller_of(&app.renew(&others).await.unwrap());
    let token = app.validation_token(&user).await;
    let first = redeem(&app, &token).await.unwrap();
    for other_caller in [caller("other"), others] {
        assert_not_valid(&renew_as(&app.tokens, &other_caller, by_token(&token, true)).await);
    }
    let again = redeem(&app, &token).await.unwrap();
    assert_eq!(again.refresh_token, first.refresh_token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_that_is_overtaken_gets_the_same_session() {
    for call in ["validation_tokens.consume", "families.start"] {
        for is_after in [false, true] {
            let app = Arc::new(TestApp::new().await);
            let user = app.user().await;
            let token = app.validation_token(&user).await;
            let (concurrent, text) = (app.clone(), token.clone());
            let overtake = move || async move {
                redeem(&concurrent, &text).await.unwrap();
            };
            let interleaved = app.with_faults(&if is_after {
                Interleave::after(call, overtake)
            } else {
                Interleave::before(call, overtake)
            });
            let tokens = renew(&interleaved, by_token(&token, true)).await.unwrap();
            assert_one_session(&app, &user, &tokens.refresh_token.unwrap()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_that_is_overtaken_by_a_renewal_of_its_session_is_rejected() {
    let app = Arc::new(TestApp::new().await);
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    let (concurrent, text) = (app.clone(), token.clone());
    let interleaved = app.with_faults(&Interleave::after("validation_tokens.consume", move || async move {
        let first = redeem(&concurrent, &text).await.unwrap().refresh_token.unwrap();
        concurrent.successor(&first).await;
    }));
    assert_not_valid(&renew(&interleaved, by_token(&token, true)).await);
    assert_eq!(app.renewable_tokens(&user).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_ends_the_session_of_a_repeated_use() {
    for is_unlocked_again in [false, true] {
        let app = TestApp::new().await;
        let user = app.user().await;
        let token = app.validation_token(&user).await;
        let refresh = redeem(&app, &token).await.unwrap().refresh_token.unwrap();
        app.lock(&user).await;
        if is_unlocked_again {
            app.unlock(&user).await;
        }
        match redeem(&app, &token).await {
            Err(TokenError::CredentialLocked) => assert!(!is_unlocked_again),
            answer => {
                assert_not_valid(&answer);
                assert!(is_unlocked_again);
            }
        }
        let status = app.family_of(&refresh).await.status;
        assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Lock));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_use_detects_a_lock_after_its_write() {
    for is_remembered in [true, false] {
        let app = Arc::new(TestApp::new().await);
        let user = app.user().await;
        let token = app.validation_token(&user).await;
        let request = by_token(&token, is_remembered);
        renew(&app.tokens, request.clone()).await.unwrap();
        let (concurrent, owner) = (app.clone(), user.clone());
        // The last read before the write, or before the gate if there is no write.
        let interleaved = app.with_faults(&Interleave::after("identities.find", move || async move {
            concurrent.lock(&owner).await;
        }));
        let before = app.signer.signatures();
        let answer = renew(&interleaved, request).await;
        assert!(matches!(answer, Err(TokenError::CredentialLocked)), "{answer:?}");
        assert_eq!(app.signer.signatures(), before);
        assert!(app.renewable_tokens(&user).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_use_checks_the_lock_linearizably() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let (kept, once) = (app.validation_token(&user).await, app.validation_token(&user).await);
    for request in [by_token(&kept, true), by_token(&once, false)] {
        renew(&app.tokens, request.clone()).await.unwrap();
        let calls = Arc::new(RecordedCalls::default());
        let injector: Arc<dyn FaultInjector> = calls.clone();
        renew(&app.with_faults(&injector), request).await.unwrap();
        let names = calls.names();
        let lock_reads = names.iter().filter(|call| call.starts_with("lock_statuses."));
        assert_eq!(
            lock_reads.collect::<Vec<_>>(),
            ["lock_statuses.read_linearizable"; 2].each_ref()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_of_the_parent_ends_a_repeated_use() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let parent = renew(&app.tokens, by_identity_provider(&user)).await.unwrap();
    let token = change_app_token(&app.tokens, &app.caller_of(&parent), PORTAL).await;
    let branch = redeem(&app, &token).await.unwrap().refresh_token.unwrap();
    assert_eq!(
        redeem(&app, &token).await.unwrap().refresh_token.as_ref(),
        Some(&branch)
    );
    let logout = InspectedToken::Other(parent.refresh_token.unwrap());
    app.tokens.revoke_token.run(&caller(PORTAL), &logout).await.unwrap();
    assert_not_valid(&redeem(&app, &token).await);
    let status = app.family_of(&branch).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Ancestor));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_token_without_a_session_works_once() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let issued = Sha256.hash(&app.validation_token(&user).await);
    let issued = app.stores.validation_tokens.find(&issued).await.unwrap().unwrap();
    for is_remembered in [true, false] {
        let text = format!("vt_{is_remembered}");
        let earlier = ValidationToken {
            hash: Sha256.hash(&text),
            first_refresh_token: None,
            ..issued.clone()
        };
        app.stores.validation_tokens.issue(&earlier).await.unwrap();
        let tokens = renew(&app.tokens, by_token(&text, is_remembered)).await.unwrap();
        assert_eq!(tokens.refresh_token.is_some(), is_remembered);
        assert_not_valid(&renew(&app.tokens, by_token(&text, is_remembered)).await);
    }
    assert_eq!(app.families(&user).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_use_is_audited() {
    let app = TestApp::new().await;
    let token = app.validation_token(&app.user().await).await;
    let records = Arc::<Records>::default();
    let tokens = app.with_runtime(&Runtime {
        audit: records.clone(),
        ..app.runtime.clone()
    });
    for _ in 0..2 {
        renew(&tokens, by_token(&token, true)).await.unwrap();
    }
    let recorded = records.all();
    let reasons: Vec<_> = recorded.iter().map(|record| record.reason.as_deref()).collect();
    assert_eq!(
        reasons,
        [
            Some("validation token"),
            Some("validation token repeated in the grace time")
        ]
    );
    assert_eq!(recorded[0].object, recorded[1].object);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_remember_me_no_session_starts() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    let tokens = renew(&app.tokens, by_token(&token, false)).await.unwrap();
    assert_eq!(tokens.refresh_token, None);
    assert_eq!(app.caller_of(&tokens).user.as_ref().unwrap().session, None);
    assert!(app.families(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_token_expires_exactly() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let (good, late) = (app.validation_token(&user).await, app.validation_token(&user).await);
    let lifetime = TokensSettings::default().validation_token_lifetime;
    app.clock.advance(lifetime - Duration::from_millis(1));
    renew(&app.tokens, by_token(&good, true)).await.unwrap();
    app.clock.advance(Duration::from_millis(1));
    let rejected = renew(&app.tokens, by_token(&late, true)).await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_or_user_spends_no_validation_token() {
    let app = TestApp::new().await;
    let (user, other) = (app.user().await, app.user().await);
    app.stores.clients.create(&client("other")).await.unwrap();
    let others = app.session(&other).await;
    let others = app.caller_of(&app.renew(&others).await.unwrap());
    let token = app.validation_token(&user).await;
    for other_caller in [caller("other"), others] {
        let rejected = renew_as(&app.tokens, &other_caller, by_token(&token, true)).await;
        assert!(matches!(rejected, Err(TokenError::TokenNotValid)));
    }
    renew(&app.tokens, by_token(&token, true)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_renewal_spends_no_validation_token() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let token = app.validation_token(&user).await;
    let identity = app.stores.identities.find(&user).await.unwrap().unwrap();
    remove_user(&app.stores, &user).await;
    let rejected = renew(&app.tokens, by_token(&token, true)).await;
    assert!(matches!(rejected, Err(TokenError::UserNotFound)));
    restore_user(&app.stores, &identity).await;
    renew(&app.tokens, by_token(&token, true)).await.unwrap();
}
