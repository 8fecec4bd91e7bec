//! A connection of the API port. It is reset when its peer stops reading, and closed when it is idle during a shutdown.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::connection_limits::ConnectionPermit;
use crate::shutdown::Shutdown;

/// An accepted connection, as actix-http reads and writes it.
pub(crate) struct Connection {
    stream: TcpStream,
    write_timeout: Duration,
    /// Runs while a write is blocked because the peer does not read.
    write_timer: Option<Pin<Box<Sleep>>>,
    /// Completes when idle connections should close; `None` from then on.
    close_timer: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// True if a response was written and nothing has been read since. A new connection is not idle: the client opened
    /// it for a request that is in flight.
    is_idle: bool,
    _permit: ConnectionPermit,
}

impl Connection {
    /// Creates a connection that is reset when a write blocks for `write_timeout`. From `idle_grace` after the
    /// beginning of the shutdown, it closes as soon as it is idle.
    pub(crate) fn new(
        stream: TcpStream,
        permit: ConnectionPermit,
        write_timeout: Duration,
        mut shutdown: Shutdown,
        idle_grace: Duration,
    ) -> Self {
        Self {
            stream,
            write_timeout,
            write_timer: None,
            close_timer: Some(Box::pin(async move {
                shutdown.wait().await;
                sleep(idle_grace).await;
            })),
            is_idle: false,
            _permit: permit,
        }
    }

    /// Returns whether the connection is idle and idle connections should close. Until then, registers the task to be
    /// woken when they should.
    fn should_close(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(close_timer) = &mut self.close_timer
            && close_timer.as_mut().poll(cx).is_ready()
        {
            self.close_timer = None;
        }
        self.close_timer.is_none() && self.is_idle
    }
}

impl AsyncRead for Connection {
    /// Reads from the peer. Reports end of file for an idle connection that should close, but only if the socket has no
    /// bytes of another request.
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() && self.should_close(cx) {
            return Poll::Ready(Ok(()));
        }
        if buffer.filled().len() > before {
            self.is_idle = false;
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            self.write_timer = None;
            self.is_idle = true;
            return written;
        }
        let write_timeout = self.write_timeout;
        let write_timer = self.write_timer.get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        if write_timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        // A reset discards the unsent bytes. After a close, the kernel would keep them for a peer that may never read.
        let _ = self.stream.set_zero_linger();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::rt::net::TcpListener;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::watch;

    use super::*;
    use crate::HttpSettings;
    use crate::connection_limits::ConnectionLimiter;
    use crate::peer::TrustedProxies;

    /// Returns a connection, its peer, and the sender that starts the shutdown.
    async fn connect(write_timeout: Duration) -> (Connection, TcpStream, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let limiter = ConnectionLimiter::new(&HttpSettings::default(), TrustedProxies::default());
        let permit = limiter.admit(None).unwrap();
        let (stop, shutdown) = watch::channel(false);
        let connection = Connection::new(stream, permit, write_timeout, Shutdown(shutdown), Duration::ZERO);
        (connection, peer, stop)
    }

    const NO_TIMEOUT: Duration = Duration::from_mins(10);

    #[actix_web::test]
    async fn a_peer_that_never_reads_is_reset() {
        let (mut connection, peer, _stop) = connect(Duration::from_millis(50)).await;
        let written = connection.write_all(&vec![0; 64 * 1024 * 1024]).await;
        assert_eq!(written.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        drop(peer);
    }

    #[actix_web::test]
    async fn a_slow_reader_gets_everything() {
        let (mut connection, mut peer, _stop) = connect(NO_TIMEOUT).await;
        let bytes = Arc::new(vec![7; 16 * 1024 * 1024]);
        let sent = bytes.clone();
        let writing = actix_web::rt::spawn(async move { connection.write_all(&sent).await });
        let mut received = vec![0; bytes.len()];
        peer.read_exact(&mut received).await.unwrap();
        assert!(received == *bytes);
        writing.await.unwrap().unwrap();
    }

    #[actix_web::test]
    async fn shutdown_closes_idle_connections_after_pending_requests() {
        let (mut connection, mut peer, stop) = connect(NO_TIMEOUT).await;
        let mut buffer = [0; 16];
        peer.write_all(b"one").await.unwrap();
        assert_eq!(connection.read(&mut buffer).await.unwrap(), 3);
        connection.write_all(b"answer").await.unwrap();
        peer.write_all(b"two").await.unwrap();
        stop.send_replace(true);
        // The peer sent the second request before it could know about the shutdown, so the request is read and answered
        // first.
        assert_eq!(connection.read(&mut buffer).await.unwrap(), 3);
        connection.write_all(b"answer").await.unwrap();
        assert_eq!(connection.read(&mut buffer).await.unwrap(), 0);
        drop(peer);
    }

    #[actix_web::test]
    async fn a_new_connection_may_send_during_shutdown() {
        let (mut connection, mut peer, stop) = connect(NO_TIMEOUT).await;
        stop.send_replace(true);
        let mut buffer = [0; 16];
        let reading = actix_web::rt::spawn(async move { connection.read(&mut buffer).await });
        tokio::task::yield_now().await;
        peer.write_all(b"one").await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), 3);
    }

    #[actix_web::test]
    async fn shutdown_wakes_a_read_of_an_idle_connection() {
        let (mut connection, mut peer, stop) = connect(NO_TIMEOUT).await;
        let mut buffer = [0; 16];
        peer.write_all(b"one").await.unwrap();
        assert_eq!(connection.read(&mut buffer).await.unwrap(), 3);
        connection.write_all(b"answer").await.unwrap();
        let reading = actix_web::rt::spawn(async move { connection.read(&mut buffer).await });
        tokio::task::yield_now().await;
        stop.send_replace(true);
        assert_eq!(reading.await.unwrap().unwrap(), 0);
    }
}
