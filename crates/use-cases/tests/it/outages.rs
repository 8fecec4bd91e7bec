//! A store that is unreachable, or whose answer is lost, at each single call of each path.

use std::sync::Arc;

use domain::ids::UserId;
use use_cases::sessions::TokenError;
use use_cases::tokens::RenewTokenRequest;

use test_support::TestApp;
use test_support::calls::{by_identity_provider, by_token, caller, renew, saml_login};
use test_support::fault_injection::{FailNthCall, FaultInjector, Outage};

const OUTAGES: [Outage; 2] = [Outage::Unreachable, Outage::AnswerLost];

/// The request in which one store call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Renewing,
    RenewingAgain,
    Closing,
    Replaying,
    ByValidationToken,
    /// A validation token that was used before.
    RedeemingAgain,
    /// A validation token, without a session.
    RedeemingOnce,
    ByIdentityProvider,
}

const PATHS: [Path; 8] = [
    Path::Renewing,
    Path::RenewingAgain,
    Path::Closing,
    Path::Replaying,
    Path::ByValidationToken,
    Path::RedeemingAgain,
    Path::RedeemingOnce,
    Path::ByIdentityProvider,
];

impl Path {
    async fn request(self, app: &TestApp, user: &UserId) -> RenewTokenRequest {
        match self {
            Self::Renewing => by_token(&app.session(user).await, true),
            Self::Closing => by_token(&app.session(user).await, false),
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
            Self::RedeemingAgain => {
                let request = by_token(&app.validation_token(user).await, true);
                renew(&app.tokens, request.clone()).await.unwrap();
                request
            }
            Self::RedeemingOnce => by_token(&app.validation_token(user).await, false),
            Self::ByIdentityProvider => by_identity_provider(user),
        }
    }

    /// Returns whether this is an expected result of the repeated request, with the number of tokens that can be
    /// renewed afterwards.
    fn is_expected(self, retried: &Result<(), TokenError>, renewable: usize) -> bool {
        match self {
            Self::Renewing | Self::RenewingAgain | Self::ByValidationToken | Self::RedeemingAgain => {
                retried.is_ok() && renewable == 1
            }
            Self::RedeemingOnce | Self::Closing => retried.is_ok() && renewable == 0,
            Self::Replaying => matches!(retried, Err(TokenError::TokenNotValid)) && renewable == 0,
            // If the answer of the start was lost, the session stays active, but no client has its token.
            Self::ByIdentityProvider => retried.is_ok() && (1..=2).contains(&renewable),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_survives_each_store_failure() {
    for path in PATHS {
        for outage in OUTAGES {
            let app = TestApp::new().await;
            let mut number = 0;
            loop {
                let user = app.user().await;
                let request = path.request(&app, &user).await;
                let fault = Arc::new(FailNthCall::new(number, outage));
                let injector: Arc<dyn FaultInjector> = fault.clone();
                let signatures = app.signer.signatures();
                let answer = renew(&app.with_faults(&injector), request.clone()).await;
                if !fault.has_failed() {
                    break;
                }
                let context = format!("{path:?}, call {number} {outage:?}");
                assert!(matches!(answer, Err(TokenError::Failed(_))), "{context}: {answer:?}");
                assert_eq!(app.signer.signatures(), signatures, "{context}");
                let retried = renew(&app.tokens, request).await.map(drop);
                let renewable = app.renewable_tokens(&user).await.len();
                assert!(
                    path.is_expected(&retried, renewable),
                    "{context}: {retried:?}, {renewable} renewable"
                );
                number += 1;
            }
            assert!(number >= 3, "{path:?} calls its stores {number} times only");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saml_login_retried_after_failures_creates_one_user() {
    for outage in OUTAGES {
        let app = TestApp::new().await;
        let mut number = 0;
        loop {
            let address = format!("new-{number}@example.com");
            let fault = Arc::new(FailNthCall::new(number, outage));
            let injector: Arc<dyn FaultInjector> = fault.clone();
            let answer = app
                .with_faults(&injector)
                .handle_auth
                .run(&caller("saml"), saml_login(&address))
                .await;
            if !fault.has_failed() {
                break;
            }
            assert!(matches!(answer, Err(TokenError::Failed(_))), "call {number} {outage:?}");
            let first = app
                .tokens
                .handle_auth
                .run(&caller("saml"), saml_login(&address))
                .await
                .unwrap()
                .into_inner();
            let again = app
                .tokens
                .handle_auth
                .run(&caller("saml"), saml_login(&address))
                .await
                .unwrap()
                .into_inner();
            assert_eq!(first.user, again.user);
            number += 1;
        }
        assert!(number >= 4, "a SAML login calls its stores {number} times only");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_holds_after_each_store_failure() {
    // A locked user is rejected even when the revocation of the family fails.
    for outage in OUTAGES {
        let app = TestApp::new().await;
        for number in 0..4 {
            let user = app.user().await;
            let token = app.session(&user).await;
            app.lock(&user).await;
            let fault: Arc<dyn FaultInjector> = Arc::new(FailNthCall::new(number, outage));
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
