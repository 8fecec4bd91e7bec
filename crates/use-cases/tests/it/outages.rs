//! A store that is away, or whose answer is lost, at each single call of each path.

use std::sync::Arc;

use domain::ids::UserId;
use use_cases::tokens::{RenewTokenRequest, TokenError};

use crate::test_app::fault_injection::{FailsOnce, FaultInjector, Outage};
use crate::test_app::{TestApp, by_identity_provider, by_token, caller, hand_off, renew};

const OUTAGES: [Outage; 2] = [Outage::Away, Outage::AnswerLost];

/// What is asked, and what of it may be alive besides afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Renewing,
    RenewingAgain,
    Forgetting,
    Replaying,
    ByValidationToken,
    ByIdentityProvider,
}

const PATHS: [Path; 6] = [
    Path::Renewing,
    Path::RenewingAgain,
    Path::Forgetting,
    Path::Replaying,
    Path::ByValidationToken,
    Path::ByIdentityProvider,
];

impl Path {
    async fn request(self, app: &TestApp, user: &UserId) -> RenewTokenRequest {
        match self {
            Self::Renewing => by_token(&app.session(user).await, true),
            Self::Forgetting => by_token(&app.session(user).await, false),
            Self::RenewingAgain => {
                let first = app.session(user).await;
                app.successor(&first).await;
                by_token(&first, true)
            }
            Self::Replaying => {
                let first = app.session(user).await;
                let second = app.successor(&first).await;
                app.successor(&second).await;
                by_token(&first, true)
            }
            Self::ByValidationToken => by_token(&app.validation_token(user).await, true),
            Self::ByIdentityProvider => by_identity_provider(user),
        }
    }

    /// How the same request ends when nothing fails, and how many tokens are alive then.
    fn holds(self, retried: &Result<(), TokenError>, alive: usize) -> bool {
        match self {
            Self::Renewing | Self::RenewingAgain => retried.is_ok() && alive == 1,
            Self::Forgetting => retried.is_ok() && alive == 0,
            Self::Replaying => matches!(retried, Err(TokenError::TokenNotValid)) && alive == 0,
            // A token whose use was not answered is spent: a new hand-off is asked for.
            Self::ByValidationToken => matches!(retried, Ok(()) | Err(TokenError::TokenNotValid)) && alive <= 1,
            // A session whose start was not answered is in nobody's hands.
            Self::ByIdentityProvider => retried.is_ok() && (1..=2).contains(&alive),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_call_fails_the_renewal_says_so_and_a_retry_finds_things_in_order() {
    for path in PATHS {
        for outage in OUTAGES {
            let app = TestApp::new().await;
            let mut number = 0;
            loop {
                let user = app.user().await;
                let request = path.request(&app, &user).await;
                let fault = Arc::new(FailsOnce::at(number, outage));
                let injector: Arc<dyn FaultInjector> = fault.clone();
                let signatures = app.signer.signatures();
                let answer = renew(&app.with_faults(&injector), request.clone()).await;
                if !fault.has_failed() {
                    break;
                }
                let place = format!("{path:?}, call {number} {outage:?}");
                assert!(matches!(answer, Err(TokenError::Failed(_))), "{place}: {answer:?}");
                assert_eq!(app.signer.signatures(), signatures, "{place}");
                let retried = renew(&app.tokens, request).await.map(drop);
                let alive = app.renewable_tokens(&user).await.len();
                assert!(path.holds(&retried, alive), "{place}: {retried:?}, {alive} alive");
                number += 1;
            }
            assert!(number >= 3, "{path:?} asks its stores {number} times only");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_call_fails_the_hand_off_says_so_and_a_retry_makes_one_user() {
    for outage in OUTAGES {
        let app = TestApp::new().await;
        let mut number = 0;
        loop {
            let address = format!("new-{number}@example.com");
            let fault = Arc::new(FailsOnce::at(number, outage));
            let injector: Arc<dyn FaultInjector> = fault.clone();
            let answer = app
                .with_faults(&injector)
                .handle_auth
                .run(&caller("saml"), hand_off(&address))
                .await;
            if !fault.has_failed() {
                break;
            }
            assert!(matches!(answer, Err(TokenError::Failed(_))), "call {number} {outage:?}");
            let first = app
                .tokens
                .handle_auth
                .run(&caller("saml"), hand_off(&address))
                .await
                .unwrap()
                .into_inner();
            let again = app
                .tokens
                .handle_auth
                .run(&caller("saml"), hand_off(&address))
                .await
                .unwrap()
                .into_inner();
            assert_eq!(first.user, again.user);
            number += 1;
        }
        assert!(number >= 4, "a hand-off asks its stores {number} times only");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_as_it_was_told_whichever_call_failed_before() {
    // A locked user is refused even when the lazy end of the family cannot be written.
    for outage in OUTAGES {
        let app = TestApp::new().await;
        for number in 0..4 {
            let user = app.user().await;
            let token = app.session(&user).await;
            app.lock(&user).await;
            let fault: Arc<dyn FaultInjector> = Arc::new(FailsOnce::at(number, outage));
            let answer = renew(&app.with_faults(&fault), by_token(&token, true)).await;
            assert!(
                matches!(answer, Err(TokenError::Failed(_) | TokenError::CredentialLocked)),
                "{answer:?}"
            );
            assert!(matches!(app.renew(&token).await, Err(TokenError::CredentialLocked)));
            app.unlock(&user).await;
            assert!(app.renewable_tokens(&user).await.is_empty());
        }
    }
}
