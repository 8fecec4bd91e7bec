use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// The beginning of every path.
const BASE: &str = "/security/iam/v1";

/// A keep-alive connection that sends a request and waits for the response. After an error the outcome of the request
/// is unknown.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    /// The value of the header.
    authorization: String,
}

/// A complete response.
pub(super) struct Response {
    path: String,
    pub(super) status: u16,
    body: String,
}

impl Response {
    /// Returns the body of a 200 as JSON.
    pub(super) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(self.body()?).context("the response is not JSON")
    }

    /// Returns the body of a 200.
    pub(super) fn body(&self) -> anyhow::Result<&str> {
        ensure!(self.status == 200, "{self:?}");
        Ok(&self.body)
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let beginning: String = self.body.chars().take(200).collect();
        write!(f, "{} returned {} {beginning}", self.path, self.status)
    }
}

impl Connection {
    pub(super) fn open(address: &str, authorization: String) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self {
            stream: BufReader::new(stream),
            authorization,
        })
    }

    pub(super) fn set_authorization(&mut self, authorization: String) {
        self.authorization = authorization;
    }

    pub(super) fn get(&mut self, path: &str) -> anyhow::Result<Response> {
        self.send("GET", path, None)
    }

    /// Sends a request with another access token.
    pub(super) fn get_as(&mut self, path: &str, token: &str) -> anyhow::Result<Response> {
        let own = std::mem::replace(&mut self.authorization, format!("Bearer {token}"));
        let response = self.get(path);
        self.authorization = own;
        response
    }

    pub(super) fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Response> {
        self.send("POST", path, Some(body))
    }

    fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Response> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {BASE}{path} HTTP/1.1\r\nhost: authme\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.authorization,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let status_line = self.read_line()?;
        let status = status_line.split(' ').nth(1).and_then(|text| text.parse().ok());
        let mut length = 0;
        loop {
            let header = self.read_line()?.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(text) = header.strip_prefix("content-length:") {
                length = text.trim().parse()?;
            }
            if header.starts_with("transfer-encoding:") {
                bail!("a chunked response is not supported");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Response {
            path: path.to_owned(),
            status: status.context("no status line")?,
            body: String::from_utf8(body)?,
        })
    }

    fn read_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "the connection was closed");
        Ok(line.trim_end().to_owned())
    }
}

/// Returns the header value of HTTP Basic (RFC 7617).
pub(super) fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", base64(format!("{name}:{secret}").as_bytes()))
}

/// Encodes bytes in Base64 with padding (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, at| {
            bits << 8 | usize::from(chunk.get(at).copied().unwrap_or_default())
        });
        for at in 0..4 {
            let digit = DIGITS.get(bits >> (18 - 6 * at) & 63).copied().unwrap_or_default();
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_the_last_group() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
