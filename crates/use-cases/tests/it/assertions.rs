//! SAML logins with the id or the end of an assertion: one assertion gets one validation token.

use std::sync::Arc;
use std::time::Duration;

use domain::time;
use domain::tokens::{Assertion, AssertionId, MAX_ASSERTION_LIFETIME};
use ports::{Clock as _, Runtime};
use use_cases::sessions::TokenError;
use use_cases::tokens::{HandleAuthRequest, IssuedValidationToken, TokensUseCases};

use test_support::TestApp;
use test_support::calls::{address_of, by_token, caller, client, renew, saml_login};
use test_support::fakes::Records;
use test_support::fault_injection::{FailNthCall, FaultInjector, Outage};

/// Returns a login of the user with this address, with an assertion that has only an id.
fn login(address: &str, id: &str) -> HandleAuthRequest {
    HandleAuthRequest {
        assertion: Assertion {
            id: Some(AssertionId::parse(id).unwrap()),
            not_on_or_after: None,
        },
        ..saml_login(address)
    }
}

async fn handle_auth(
    tokens: &TokensUseCases,
    client: &str,
    request: HandleAuthRequest,
) -> Result<IssuedValidationToken, TokenError> {
    let minted = tokens.handle_auth.run(&caller(client), request).await?;
    Ok(minted.into_inner())
}

#[track_caller]
fn assert_used(answer: &Result<IssuedValidationToken, TokenError>) {
    assert!(matches!(answer, Err(TokenError::AssertionUsed)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_gets_one_validation_token() {
    let app = TestApp::new().await;
    let (ana, bia) = (address_of(&app.user().await), address_of(&app.user().await));
    let issued = handle_auth(&app.tokens, "saml", login(&ana, "_1")).await.unwrap();
    // Another user does not make it another assertion.
    for address in [&ana, &bia] {
        assert_used(&handle_auth(&app.tokens, "saml", login(address, "_1")).await);
    }
    handle_auth(&app.tokens, "saml", login(&ana, "_2")).await.unwrap();
    // The refused requests leave the validation token as it is.
    renew(&app.tokens, by_token(issued.validation_token.reveal(), true))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn assertions_of_other_clients_are_independent() {
    let app = TestApp::new().await;
    app.stores.clients.create(&client("saml2")).await.unwrap();
    let ana = address_of(&app.user().await);
    for origin in ["saml", "saml2"] {
        handle_auth(&app.tokens, origin, login(&ana, "_1")).await.unwrap();
        assert_used(&handle_auth(&app.tokens, origin, login(&ana, "_1")).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_id_a_login_can_be_repeated() {
    let app = TestApp::new().await;
    let request = HandleAuthRequest {
        assertion: Assertion {
            id: None,
            not_on_or_after: Some(time::after(app.clock.now(), Duration::from_mins(5))),
        },
        ..saml_login(&address_of(&app.user().await))
    };
    for _ in 0..2 {
        handle_auth(&app.tokens, "saml", request.clone()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_is_refused_from_its_end_on() {
    let app = TestApp::new().await;
    let ana = address_of(&app.user().await);
    let ending_in = |lifetime| HandleAuthRequest {
        assertion: Assertion {
            id: Some(AssertionId::parse("_1").unwrap()),
            not_on_or_after: Some(time::after(app.clock.now(), lifetime)),
        },
        ..saml_login(&ana)
    };
    let (ended, too_late) = (
        ending_in(Duration::ZERO),
        ending_in(MAX_ASSERTION_LIFETIME + Duration::from_millis(1)),
    );
    let answer = handle_auth(&app.tokens, "saml", ended).await;
    assert!(matches!(answer, Err(TokenError::AssertionExpired)), "{answer:?}");
    let answer = handle_auth(&app.tokens, "saml", too_late).await;
    assert!(matches!(answer, Err(TokenError::AssertionEndsTooLate)), "{answer:?}");
    // Neither spent the assertion.
    let last = ending_in(Duration::from_millis(1));
    handle_auth(&app.tokens, "saml", last.clone()).await.unwrap();
    assert_used(&handle_auth(&app.tokens, "saml", last).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_assertion_creates_no_user() {
    let app = TestApp::new().await;
    let request = HandleAuthRequest {
        assertion: Assertion {
            id: None,
            not_on_or_after: Some(app.clock.now()),
        },
        ..saml_login("new@example.com")
    };
    handle_auth(&app.tokens, "saml", request).await.unwrap_err();
    let found = app.stores.identities.find_by_login("new@example.com").await.unwrap();
    assert_eq!(found, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_login_does_not_spend_its_assertion() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let request = login(&address_of(&user), "_1");
    app.lock(&user).await;
    let answer = handle_auth(&app.tokens, "saml", request.clone()).await;
    assert!(matches!(answer, Err(TokenError::CredentialLocked)), "{answer:?}");
    app.unlock(&user).await;
    app.change_client("portal", |portal| portal.requires_known_groups = true)
        .await;
    let with_group = HandleAuthRequest {
        groups: vec!["strangers".to_owned()],
        ..request.clone()
    };
    let answer = handle_auth(&app.tokens, "saml", with_group).await;
    assert!(matches!(answer, Err(TokenError::GroupNotKnown)), "{answer:?}");
    handle_auth(&app.tokens, "saml", request).await.unwrap();
}

/// After a failure the assertion is used or not, but it never gets a second validation token.
#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_survives_no_failure_after_its_use() {
    for outage in [Outage::Unreachable, Outage::AnswerLost] {
        let app = TestApp::new().await;
        let mut number = 0;
        let mut outcomes = Vec::new();
        loop {
            let request = login(&address_of(&app.user().await), &format!("_{number}"));
            let fault = Arc::new(FailNthCall::new(number, outage));
            let injector: Arc<dyn FaultInjector> = fault.clone();
            let answer = handle_auth(&app.with_faults(&injector), "saml", request.clone()).await;
            if !fault.has_failed() {
                answer.unwrap();
                break;
            }
            assert!(matches!(answer, Err(TokenError::Failed(_))), "call {number} {outage:?}");
            let retried = handle_auth(&app.tokens, "saml", request.clone()).await;
            if let Err(error) = &retried {
                assert!(
                    matches!(error, TokenError::AssertionUsed),
                    "call {number} {outage:?}: {error}"
                );
            }
            outcomes.push(retried.is_ok());
            assert_used(&handle_auth(&app.tokens, "saml", request).await);
            number += 1;
        }
        // Everything that may fail is read before the assertion is used.
        let accepted = outcomes.iter().take_while(|is_accepted| **is_accepted).count();
        assert!(accepted >= 3, "{outage:?}: {outcomes:?}");
        assert!(
            outcomes.iter().skip(accepted).all(|is_accepted| !is_accepted),
            "{outcomes:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_assertions_are_audited() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let records = Arc::<Records>::default();
    let tokens = app.with_runtime(&Runtime {
        audit: records.clone(),
        ..app.runtime.clone()
    });
    let request = login(&address_of(&user), "_secret");
    handle_auth(&tokens, "saml", request.clone()).await.unwrap();
    assert_eq!(records.all(), []);
    assert_used(&handle_auth(&tokens, "saml", request.clone()).await);
    let expired = HandleAuthRequest {
        assertion: Assertion {
            not_on_or_after: Some(app.clock.now()),
            ..request.assertion.clone()
        },
        ..request
    };
    handle_auth(&tokens, "saml", expired).await.unwrap_err();
    let recorded = records.all();
    let reasons: Vec<_> = recorded.iter().map(|record| record.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("assertion used before"), Some("assertion expired")]);
    let user = vec![("client", "portal".to_owned()), ("user", user.to_string())];
    assert_eq!(recorded[0].object, user);
    assert!(!format!("{recorded:?}").contains("_secret"));
}
