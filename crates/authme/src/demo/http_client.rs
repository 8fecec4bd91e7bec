//! A small HTTP/1.1 client for the demo: one request per connection, to this machine only, without TLS, redirects or proxies.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// The time limit for a response. The slowest response is the one to a long poll of events, which takes up to 10 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    /// The path and the query.
    pub(super) target: String,
    pub(super) authorization: String,
    pub(super) body: Option<Value>,
}

/// A complete response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) body: String,
}

/// Sends a request and returns the response. Blocking I/O runs on a thread of its own, because the server shares the
/// runtime.
pub(super) async fn send(address: SocketAddr, request: Request) -> io::Result<Response> {
    tokio::task::spawn_blocking(move || exchange(address, &request))
        .await
        .map_err(io::Error::other)?
}

fn exchange(address: SocketAddr, request: &Request) -> io::Result<Response> {
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.set_write_timeout(Some(TIMEOUT))?;
    connection.write_all(request.encode(address).as_bytes())?;
    let mut received = Vec::new();
    connection.read_to_end(&mut received)?;
    parse(&received).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the response is not HTTP"))
}

impl Request {
    fn encode(&self, address: SocketAddr) -> String {
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let mut wire = format!("{} {} HTTP/1.1\r\nHost: {address}\r\n", self.method, self.target);
        let _ = write!(wire, "Authorization: {}\r\nConnection: close\r\n", self.authorization);
        if self.body.is_some() {
            let length = body.len();
            let _ = write!(wire, "Content-Type: application/json\r\nContent-Length: {length}\r\n");
        } else if self.method != "GET" {
            wire.push_str("Content-Length: 0\r\n");
        }
        wire + "\r\n" + &body
    }
}

/// Parses a response. Returns `None` if the text is incomplete or not HTTP.
fn parse(received: &[u8]) -> Option<Response> {
    let end_of_head = find(received, b"\r\n\r\n")?;
    let (head, rest) = received.split_at_checked(end_of_head)?;
    let rest = rest.strip_prefix(b"\r\n\r\n")?;
    let mut lines = str::from_utf8(head).ok()?.split("\r\n");
    let mut status_line = lines.next()?.splitn(3, ' ');
    status_line.next().filter(|version| version.starts_with("HTTP/1."))?;
    let status = status_line.next()?.parse().ok()?;
    let reason = status_line.next().unwrap_or_default().to_owned();
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |wanted: &str| {
        let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim())
    };
    let body = match (header("transfer-encoding"), header("content-length")) {
        (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => join_chunks(rest)?,
        (_, Some(length)) => rest.get(..length.parse().ok()?)?.to_vec(),
        (_, None) => rest.to_vec(),
    };
    Some(Response {
        status,
        reason,
        body: String::from_utf8(body).ok()?,
    })
}

fn join_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (line, after) = rest.split_at_checked(find(rest, b"\r\n")?)?;
        let size = str::from_utf8(line).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let (chunk, after) = after.strip_prefix(b"\r\n")?.split_at_checked(size)?;
        body.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n")?;
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(received: &str) -> Option<String> {
        parse(received.as_bytes()).map(|response| response.body)
    }

    #[test]
    fn a_response_has_a_status_and_a_body() {
        let response = parse(b"HTTP/1.1 207 Multi-Status\r\nCONTENT-LENGTH: 2\r\n\r\n[]").unwrap();
        assert_eq!((response.status, response.reason.as_str()), (207, "Multi-Status"));
        assert_eq!(response.body, "[]");
    }

    #[test]
    fn a_body_is_chunked_or_ends_with_the_connection() {
        assert_eq!(body("HTTP/1.1 200 OK\r\n\r\nall").as_deref(), Some("all"));
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(body(chunked).as_deref(), Some("wiki0123456789"));
    }

    #[test]
    fn an_incomplete_response_is_rejected() {
        for cut in [
            "",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwik",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n",
        ] {
            assert_eq!(parse(cut.as_bytes()), None, "{cut}");
        }
    }
}
