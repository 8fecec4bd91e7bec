use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Error, RequestBuilder};
use serde_json::Value;

/// A service that says nothing for so long has hung.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client for services on this machine: no TLS, no proxies of the environment.
pub(crate) fn http_client() -> Client {
    let client = Client::builder().no_proxy().tls_certs_only([]).timeout(PATIENCE);
    client.build().expect("a client without TLS can be made")
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

    /// A body as it is, said to be JSON.
    pub fn body(self, body: impl Into<String>) -> Self {
        let body: String = body.into();
        Self(self.0.header("content-type", "application/json").body(body))
    }

    /// Sends it; panics when no answer comes.
    pub async fn answer(self) -> Answer {
        self.attempt()
            .await
            .unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends it; an error when no answer comes, or not whole.
    pub async fn attempt(self) -> Result<Answer, Error> {
        let answer = self.0.send().await?;
        Ok(Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.text().await?,
        })
    }
}

/// What a service answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// This answer, when it has the status; panics when it has another.
    #[expect(clippy::return_self_not_must_use, reason = "whoever wants the status only is done")]
    #[track_caller]
    pub fn with_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// The body.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.body))
    }

    /// A text of the body by its name.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        let body = self.json();
        let text = body.get(name).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("{body} has no {name}")).to_owned()
    }

    /// A header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Status and the first code of the error array; an empty code where the body is none.
    pub fn refusal(&self) -> (u16, String) {
        let errors: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let code = errors.pointer("/0/code").and_then(Value::as_str);
        (self.status, code.unwrap_or_default().to_owned())
    }
}
