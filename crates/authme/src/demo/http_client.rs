//! HTTP/1.1 as far as the demo needs it: one request per connection, to this machine. No TLS, no redirects, no proxies.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than the longest answer of the story, which is a long poll of ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    /// The path, with its query.
    pub(super) target: String,
    pub(super) authorization: String,
    pub(super) body: Option<Value>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) body: String,
}

/// Sends a request on a thread of its own, so that the runtime goes on meanwhile.
pub(super) async fn ask(address: SocketAddr, request: Request) -> io::Result<Answer> {
    tokio::task::spawn_blocking(move || exchange(address, &request))
        .await
        .map_err(io::Error::other)?
}

fn exchange(address: SocketAddr, request: &Request) -> io::Result<Answer> {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    connection.write_all(request.on_the_wire(address).as_bytes())?;
    let mut received = Vec::new();
    connection.read_to_end(&mut received)?;
    read(&received).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

impl Request {
    fn on_the_wire(&self, address: SocketAddr) -> String {
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

/// Reads a whole answer; `None` when it is none, or when its end is missing.
fn read(received: &[u8]) -> Option<Answer> {
    let end_of_head = position(received, b"\r\n\r\n")?;
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
        (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => joined_chunks(rest)?,
        (_, Some(length)) => rest.get(..length.parse().ok()?)?.to_vec(),
        (_, None) => rest.to_vec(),
    };
    Some(Answer {
        status,
        reason,
        body: String::from_utf8(body).ok()?,
    })
}

fn joined_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (line, after) = rest.split_at_checked(position(rest, b"\r\n")?)?;
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

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(received: &str) -> Option<String> {
        read(received.as_bytes()).map(|answer| answer.body)
    }

    #[test]
    fn an_answer_is_its_status_and_its_body() {
        let answer = read(b"HTTP/1.1 207 Multi-Status\r\nCONTENT-LENGTH: 2\r\n\r\n[]").unwrap();
        assert_eq!((answer.status, answer.reason.as_str()), (207, "Multi-Status"));
        assert_eq!(answer.body, "[]");
    }

    #[test]
    fn a_body_is_measured_chunked_or_all_the_rest() {
        assert_eq!(body("HTTP/1.1 200 OK\r\n\r\nall").as_deref(), Some("all"));
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(body(chunked).as_deref(), Some("wiki0123456789"));
    }

    #[test]
    fn what_is_cut_off_is_no_answer() {
        for cut in [
            "",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwik",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n",
        ] {
            assert_eq!(read(cut.as_bytes()), None, "{cut}");
        }
    }
}
