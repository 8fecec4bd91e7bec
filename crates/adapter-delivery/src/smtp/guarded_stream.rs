use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The first byte of a TLS handshake record (RFC 8446 section 5.1). No SMTP command begins with it.
const HANDSHAKE: u8 = 0x16;

/// A TCP stream that is in the clear until STARTTLS, and protects against injected responses (RFC 3207 section 6).
///
/// Before TLS, each read returns one byte, so the line reader of the SMTP client buffers nothing beyond a line. An
/// attacker on the path appends "250 …" to the answer to STARTTLS. With a buffering reader, the client would take it
/// for an answer given under TLS. Here it is the next input of the TLS handshake, which fails.
#[derive(Debug)]
pub(super) struct GuardedStream {
    stream: TcpStream,
    tls_has_begun: bool,
}

impl GuardedStream {
    pub(super) fn before_tls(stream: TcpStream) -> Self {
        Self {
            stream,
            tls_has_begun: false,
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.tls_has_begun {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut one))?;
        into.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.tls_has_begun |= bytes.first() == Some(&HANDSHAKE);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for GuardedStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}
