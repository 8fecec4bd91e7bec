//! A verifier that has no key set says nothing of a token: whoever asks is told to come again.

use std::sync::Arc;

use domain::caller::VerifiedToken;
use domain::time::Timestamp;
use ports::{TokenVerificationError, TokenVerifier};
use serde_json::json;

use super::test_app::{Answer, TestApp, by, json_body, post};

/// Verifies the tokens of a caller, and has lost the key set for all others.
struct WithoutKeys {
    caller: String,
    inner: Arc<dyn TokenVerifier>,
}

impl TokenVerifier for WithoutKeys {
    fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<VerifiedToken>, TokenVerificationError> {
        if token == self.caller {
            self.inner.verify(token, now)
        } else {
            Err(TokenVerificationError::KeysUnavailable)
        }
    }
}

#[track_caller]
fn unavailable(answer: &Answer) {
    assert_eq!(answer.code(), (503, "90".to_owned()), "{}", answer.shown());
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("www-authenticate"), None);
}

#[actix_web::test]
async fn a_token_is_neither_good_nor_bad_without_keys() {
    let mut app = TestApp::new().await;
    let (locker, portal) = (app.client_token("locker").await, app.client_token("portal").await);
    app.api.authenticator.verifier = Arc::new(WithoutKeys {
        caller: portal.clone(),
        inner: app.api.authenticator.verifier.clone(),
    });
    let lock = by(post("/user-identities/lock"), &locker);
    unavailable(&app.ask(json_body(lock, &json!({"userId": "ana"}))).await);
    for path in ["/tokens/introspect", "/user-identities/me/revoke-token"] {
        let request = by(post(path), &locker);
        unavailable(&app.ask(json_body(request, &json!({"token": "whatever"}))).await);
    }
    // The caller is known, the token in the body is not.
    let introspect = by(post("/tokens/introspect"), &portal);
    unavailable(&app.ask(json_body(introspect, &json!({"token": locker}))).await);
}
