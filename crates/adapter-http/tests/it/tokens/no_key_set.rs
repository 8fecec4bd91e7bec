//! Without a key set, a token can be neither accepted nor rejected. The caller gets 503 and repeats the request.

use std::sync::Arc;

use domain::caller::VerifiedToken;
use domain::time::Timestamp;
use ports::{TokenVerificationError, TokenVerifier};
use serde_json::json;

use super::test_app::{TestApp, TestResponse, by, json_body, post};

/// Verifies only the token of the caller. Reports a missing key set for every other token.
struct VerifierWithoutKeys {
    caller: String,
    inner: Arc<dyn TokenVerifier>,
}

impl TokenVerifier for VerifierWithoutKeys {
    fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<VerifiedToken>, TokenVerificationError> {
        if token == self.caller {
            self.inner.verify(token, now)
        } else {
            Err(TokenVerificationError::KeysUnavailable)
        }
    }
}

#[track_caller]
fn assert_unavailable(response: &TestResponse) {
    assert_eq!(
        response.code(),
        (503, "90".to_owned()),
        "{}",
        response.status_and_body()
    );
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(response.header("www-authenticate"), None);
}

#[actix_web::test]
async fn tokens_are_503_without_a_key_set() {
    let mut app = TestApp::new().await;
    let (locker, portal) = (app.client_token("locker").await, app.client_token("portal").await);
    app.api.authenticator.verifier = Arc::new(VerifierWithoutKeys {
        caller: portal.clone(),
        inner: app.api.authenticator.verifier.clone(),
    });
    let lock = by(post("/user-identities/lock"), &locker);
    assert_unavailable(&app.send(json_body(lock, &json!({"userId": "ana"}))).await);
    for path in ["/tokens/introspect", "/user-identities/me/revoke-token"] {
        let request = by(post(path), &locker);
        assert_unavailable(&app.send(json_body(request, &json!({"token": "whatever"}))).await);
    }
    // The bearer token can be verified, but the token in the body cannot.
    let introspect = by(post("/tokens/introspect"), &portal);
    assert_unavailable(&app.send(json_body(introspect, &json!({"token": locker}))).await);
}
