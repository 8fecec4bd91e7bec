//! HTTP/1.1 on keep-alive connections. Nothing is retried, so a caller knows what the server got.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// The maximum number of headers of a response; AuthMe sends fewer than half of them.
const MAX_HEADERS: usize = 32;

/// The time after which a server without a response counts as hanging.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns a request in its wire form. `authorization` is the value of the header.
pub fn request(method: &str, path: &str, authorization: &str, body: &str) -> String {
    let length = body.len();
    let kind = if body.is_empty() {
        ""
    } else {
        "content-type: application/json\r\n"
    };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {authorization}\r\n{kind}content-length: {length}\r\n\r\n{body}"
    )
}

/// Returns the header value of HTTP Basic (RFC 7617).
pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

/// A complete response.
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Response {
    /// Parses the response at the start of `bytes`; `None` while it is incomplete. The body must have a
    /// `Content-Length`.
    pub fn parse(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length_of_head) = head.parse(bytes)? else {
            return Ok(None);
        };
        let status = head.code.context("no status line")?;
        let mut length = 0;
        for header in head.headers {
            ensure!(
                !header.name.eq_ignore_ascii_case("transfer-encoding"),
                "a chunked response is not supported"
            );
            if header.name.eq_ignore_ascii_case("content-length") {
                length = std::str::from_utf8(header.value)?.parse()?;
            }
        }
        let body = bytes.get(length_of_head..length_of_head + length);
        Ok(body.map(|body| Self {
            status,
            body: body.to_vec(),
        }))
    }

    /// Returns the response itself. Fails if it has another status.
    pub fn expect_status(&self, status: u16) -> anyhow::Result<&Self> {
        ensure!(self.status == status, "{self:?}, expected {status}");
        Ok(self)
    }

    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("the body of a {} is not JSON", self.status))
    }

    /// Returns a string of the body, which is a JSON object.
    pub fn text(&self, name: &str) -> anyhow::Result<String> {
        let text = self.json()?.get(name).and_then(Value::as_str).map(str::to_owned);
        text.with_context(|| format!("the response has no `{name}`"))
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let beginning: String = body.chars().take(200).collect();
        write!(f, "status {} {beginning}", self.status)
    }
}

/// A keep-alive connection that sends a request and waits for the response. After an error the outcome of the request
/// is unknown.
pub struct Connection(TcpStream);

impl Connection {
    pub fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self(stream))
    }

    pub fn send(&mut self, method: &str, path: &str, authorization: &str, body: &str) -> anyhow::Result<Response> {
        self.0
            .write_all(request(method, path, authorization, body).as_bytes())?;
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let read = self.0.read(&mut chunk)?;
            ensure!(read > 0, "the connection was closed");
            bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
            if let Some(response) = Response::parse(&bytes)? {
                return Ok(response);
            }
        }
    }
}

/// Returns whether GET on a path of this machine returns 200.
pub fn returns_ok(port: u16, path: &str) -> bool {
    let response = Connection::open(port).and_then(|mut connection| connection.send("GET", path, "", ""));
    response.is_ok_and(|response| response.status == 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_returns_a_response_once_it_is_complete() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 204";
        let complete = bytes.len() - "HTTP/1.1 204".len();
        for length in 0..complete {
            assert!(Response::parse(&bytes[..length]).unwrap().is_none(), "{length}");
        }
        let response = Response::parse(bytes).unwrap().unwrap();
        assert_eq!(format!("{response:?}"), "status 200 {}");
        let empty = Response::parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap();
        assert_eq!((empty.status, empty.body.len()), (204, 0));
        assert!(Response::parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn basic_encodes_id_and_secret_with_padding() {
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
