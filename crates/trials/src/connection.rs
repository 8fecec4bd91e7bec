use serde_json::Value;
use test_servers::http::{self, Response};

/// The beginning of every path.
const BASE: &str = "/security/iam/v1";

/// A keep-alive connection that authorizes every request in the same way.
pub(crate) struct Connection {
    connection: http::Connection,
    /// The value of the header.
    authorization: String,
}

impl Connection {
    pub(crate) fn open(port: u16, authorization: String) -> anyhow::Result<Self> {
        Ok(Self {
            connection: http::Connection::open(port)?,
            authorization,
        })
    }

    pub(crate) fn set_authorization(&mut self, authorization: String) {
        self.authorization = authorization;
    }

    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<Response> {
        self.connection
            .send("GET", &format!("{BASE}{path}"), &self.authorization, "")
    }

    /// Sends a request with another access token.
    pub(crate) fn get_as(&mut self, path: &str, token: &str) -> anyhow::Result<Response> {
        let authorization = format!("Bearer {token}");
        self.connection
            .send("GET", &format!("{BASE}{path}"), &authorization, "")
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Response> {
        let path = format!("{BASE}{path}");
        self.connection
            .send("POST", &path, &self.authorization, &body.to_string())
    }
}
