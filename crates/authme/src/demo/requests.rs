use serde_json::Value;

use super::fixtures::DemoClient;
use super::http_client::Request;

/// The base path of every operation.
const BASE: &str = "/security/iam/v1";

pub(super) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

pub(super) fn request(method: &'static str, path: &str, authorization: String, body: Option<Value>) -> Request {
    Request {
        method,
        target: format!("{BASE}{path}"),
        authorization,
        body,
    }
}

pub(super) fn login_request(client: &DemoClient) -> Request {
    request(
        "POST",
        "/client-identities/login",
        format!("Basic {}", client.basic()),
        None,
    )
}
