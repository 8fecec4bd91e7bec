//! Without a key set, a token can be neither accepted nor rejected. The caller gets 503 and repeats the request.

use std::sync::{Arc, OnceLock};

use domain::caller::VerifiedToken;
use domain::time::Timestamp;
use ports::{TokenVerificationError, TokenVerifier};
use serde_json::json;

use crate::test_app::{Setup, TestApp};
use test_support::http::{Answer, Request};

/// Verifies only the token of the caller, once it is set. Then it reports a missing key set for every other token.
struct VerifierWithoutKeys {
    caller: Arc<OnceLock<String>>,
    inner: Arc<dyn TokenVerifier>,
}

impl TokenVerifier for VerifierWithoutKeys {
    fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<VerifiedToken>, TokenVerificationError> {
        if self.caller.get().is_none_or(|caller| caller == token) {
            self.inner.verify(token, now)
        } else {
            Err(TokenVerificationError::KeysUnavailable)
        }
    }
}

#[track_caller]
fn assert_unavailable(response: &Answer) {
    assert_eq!(response.codes(), (503, vec!["90".to_owned()]), "{}", response.summary());
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(response.header("www-authenticate"), None);
}

#[test]
fn tokens_are_503_without_a_key_set() {
    let caller = Arc::new(OnceLock::new());
    let only = caller.clone();
    let app = TestApp::start_with(Setup {
        api: Some(Box::new(move |api| {
            api.authenticator.verifier = Arc::new(VerifierWithoutKeys {
                caller: only,
                inner: api.authenticator.verifier.clone(),
            });
        })),
        ..Setup::default()
    });
    let (locker, portal) = (app.client_token("locker"), app.client_token("portal"));
    caller.set(portal.clone()).expect("it is set once");
    let lock = Request::post("/user-identities/lock").bearer(&locker);
    assert_unavailable(&app.send(lock.json(&json!({"userId": "ana"}))));
    for path in ["/tokens/introspect", "/user-identities/me/revoke-token"] {
        let request = Request::post(path).bearer(&locker);
        assert_unavailable(&app.send(request.json(&json!({"token": "whatever"}))));
    }
    // The bearer token can be verified, but the token in the body cannot.
    let introspect = Request::post("/tokens/introspect").bearer(&portal);
    assert_unavailable(&app.send(introspect.json(&json!({"token": locker}))));
}
