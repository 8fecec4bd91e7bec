use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Error, RequestBuilder};
use serde_json::Value;

/// The time after which a service without a response counts as hanging.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns an HTTP client for services on this machine, without TLS and without the proxies of the environment.
pub(crate) fn http_client() -> Client {
    let client = Client::builder().no_proxy().tls_certs_only([]).timeout(TIMEOUT);
    client.build().expect("a client without TLS can be created")
}

/// A request that is ready to be sent.
#[must_use = "a request does nothing until it is sent"]
pub struct Request(RequestBuilder);

impl Request {
    pub(crate) fn new(request: RequestBuilder) -> Self {
        Self(request)
    }

    pub fn bearer(self, token: &str) -> Self {
        Self(self.0.bearer_auth(token))
    }

    pub fn basic(self, id: &str, secret: &str) -> Self {
        Self(self.0.basic_auth(id, Some(secret)))
    }

    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    /// Sets the body and the content type JSON. The body need not be valid JSON.
    pub fn body(self, body: impl Into<String>) -> Self {
        let body: String = body.into();
        Self(self.0.header("content-type", "application/json").body(body))
    }

    /// Sends the request. Panics when there is no complete response.
    pub async fn send(self) -> Response {
        self.try_send()
            .await
            .unwrap_or_else(|error| panic!("no response: {error:?}"))
    }

    /// Sends the request. Returns an error when there is no complete response.
    pub async fn try_send(self) -> Result<Response, Error> {
        let response = self.0.send().await?;
        Ok(Response {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await?,
        })
    }
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Response {
    /// Returns the response if it has this status, and panics otherwise.
    #[expect(clippy::return_self_not_must_use, reason = "a caller may need only the status")]
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Returns the body as JSON. Panics if it is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.body))
    }

    /// Returns the string member `name` of the body. Panics if there is none.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        let body = self.json();
        let text = body.get(name).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("{body} has no {name}")).to_owned()
    }

    /// Returns a header, if it exists and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the status and the first code of the error array. The code is empty if the body has none.
    pub fn status_and_code(&self) -> (u16, String) {
        let errors: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let code = errors.pointer("/0/code").and_then(Value::as_str);
        (self.status, code.unwrap_or_default().to_owned())
    }
}
