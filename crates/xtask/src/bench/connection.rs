use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// Returns a request in its wire form. `authorization` is the value of the header.
pub(crate) fn request(method: &str, path: &str, authorization: &str, body: &str) -> String {
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

/// A complete response.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Parses the response at the start of `bytes`; `None` while it is incomplete.
    pub(crate) fn parse(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let (head, rest) = bytes.split_at(end + 4);
        let head = std::str::from_utf8(head)?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|text| text.parse().ok())
            .context("no status line")?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>())
        });
        let length = length.transpose()?.unwrap_or(0);
        Ok(rest.get(..length).map(|body| Self {
            status,
            body: body.to_vec(),
        }))
    }

    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("the body of a {} is not JSON", self.status))
    }

    /// Returns a string from the body; fails unless the status is 200.
    pub(crate) fn text(&self, name: &str) -> anyhow::Result<String> {
        ensure!(
            self.status == 200,
            "status {}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        let text = self.json()?.get(name).and_then(Value::as_str).map(str::to_owned);
        text.with_context(|| format!("the response has no `{name}`"))
    }
}

/// A keep-alive connection that sends a request and waits for the response.
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self(stream))
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        authorization: &str,
        body: &str,
    ) -> anyhow::Result<Response> {
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
