//! A minimal HTTP client: it writes requests as bytes to a socket, and parses the answers.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::net::TcpSocket;

const BASE: &str = "/security/iam/v1";

pub const FORM: &str = "application/x-www-form-urlencoded";

/// The time limit of a read or a write. A server that makes no progress for this time hangs.
const IO_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// Creates a request with a target at the root.
    pub fn at_root(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// Creates a request with a path below the base path.
    pub fn new(method: &str, path: &str) -> Self {
        Self::at_root(method, &format!("{BASE}{path}"))
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    pub fn put(path: &str) -> Self {
        Self::new("PUT", path)
    }

    pub fn patch(path: &str) -> Self {
        Self::new("PATCH", path)
    }

    pub fn delete(path: &str) -> Self {
        Self::new("DELETE", path)
    }

    pub fn query(mut self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encode(value)))
            .collect();
        self.target = format!("{}?{}", self.target, pairs.join("&"));
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub fn basic(self, name: &str, secret: &str) -> Self {
        let encoded = STANDARD.encode(format!("{name}:{secret}"));
        self.header("Authorization", &format!("Basic {encoded}"))
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encode(value)))
            .collect();
        self.header("Content-Type", FORM).body(pairs.join("&"))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nHost: authme.test\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        match &self.body {
            Some(body) => {
                bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                bytes.extend_from_slice(body);
            }
            None => bytes.extend_from_slice(b"\r\n"),
        }
        bytes
    }
}

fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the header with this name. Panics if it occurs twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} occurs twice in {:?}", self.headers);
        first
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.summary()))
    }

    /// Returns status and body, for comparisons.
    pub fn summary(&self) -> String {
        format!("{} {}", self.status, self.text())
    }

    /// Returns the status and the codes of the error array, or no codes if the body is not an error array.
    pub fn codes(&self) -> (u16, Vec<String>) {
        let errors: Vec<Value> = serde_json::from_slice(&self.body).unwrap_or_default();
        let code = |error: &Value| error["code"].as_str().unwrap_or("none").to_owned();
        (self.status, errors.iter().map(code).collect())
    }
}

/// A persistent connection.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).expect("the server listens")
    }

    pub fn try_open(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self::over(TcpStream::connect(address)?))
    }

    /// Connects from a loopback address, such as 127.0.0.2, so that the server sees another peer.
    pub fn open_from(source: &str, address: SocketAddr) -> Self {
        let source = SocketAddr::new(source.parse().expect("an address"), 0);
        let connecting = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(source)?;
            socket.connect(address).await?.into_std()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let stream = runtime.and_then(|runtime| runtime.block_on(connecting));
        let stream = stream.expect("the server listens");
        stream.set_nonblocking(false).expect("a socket blocks");
        Self::over(stream)
    }

    fn over(stream: TcpStream) -> Self {
        stream
            .set_read_timeout(Some(IO_TIMEOUT))
            .expect("a socket has a timeout");
        stream
            .set_write_timeout(Some(IO_TIMEOUT))
            .expect("a socket has a timeout");
        stream.set_nodelay(true).expect("a socket has TCP_NODELAY");
        Self(BufReader::new(stream))
    }

    pub fn send(&mut self, request: &Request) -> Answer {
        self.write(&request.bytes());
        self.read(request.method == "HEAD").expect("the server answers")
    }

    /// Writes as much as the server accepts. The server may answer and close the connection before the end of the request.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes);
    }

    /// Sends a request and reads the answer. Fails if the connection is closed or reset.
    pub fn attempt(&mut self, request: &Request) -> std::io::Result<Answer> {
        self.0.get_mut().write_all(&request.bytes())?;
        self.read(false)
    }

    /// Reads until the end of the connection, and returns the number of bytes that arrived.
    pub fn read_rest(&mut self) -> usize {
        let mut bytes = Vec::new();
        let _ = self.0.read_to_end(&mut bytes);
        bytes.len()
    }

    /// Closes the sending side.
    pub fn shutdown_write(&mut self) {
        let _ = self.0.get_mut().shutdown(Shutdown::Write);
    }

    /// Reads the next answer. Fails if the connection is closed or reset.
    pub fn read(&mut self, is_head: bool) -> std::io::Result<Answer> {
        loop {
            let answer = self.read_one(is_head)?;
            if answer.status != 100 {
                return Ok(answer);
            }
        }
    }

    /// Reads lines of an answer whose body does not end, until they contain `wanted`.
    pub fn read_until(&mut self, wanted: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(wanted) {
            let read = self.0.read_line(&mut seen).expect("the stream continues");
            assert_ne!(read, 0, "the stream ended without `{wanted}`: {seen}");
        }
        seen
    }

    fn read_line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(Error::from(ErrorKind::UnexpectedEof));
        }
        Ok(line.trim_end().to_owned())
    }

    fn read_one(&mut self, is_head: bool) -> std::io::Result<Answer> {
        let status_line = self.read_line()?;
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {status_line}"));
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a header has a colon");
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        let length = answer.header("content-length").map(str::parse::<usize>);
        if is_head || matches!(status, 100 | 204 | 304) {
            return Ok(answer);
        }
        match length {
            Some(length) => {
                answer.body = vec![0; length.expect("a length is a number")];
                self.0.read_exact(&mut answer.body)?;
            }
            None => {
                self.0.read_to_end(&mut answer.body)?;
            }
        }
        Ok(answer)
    }
}

/// Sends one request on its own connection.
pub fn send(address: SocketAddr, request: Request) -> Answer {
    Connection::open(address).send(&request.header("Connection", "close"))
}
