//! A connection of the API port: it does not wait for ever for a peer that takes nothing, and closes while the process
//! stops.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::connection_limits::AdmittedConnection;
use crate::events::Stopping;

/// An accepted connection, as the HTTP library reads and writes it.
pub(crate) struct Connection {
    stream: TcpStream,
    write_timeout: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Ends when connections without a request are to be closed.
    closing: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// Something was answered, and nothing was read since. A connection that has not said anything yet is not idle: it
    /// was opened for a request that is on its way.
    is_idle: bool,
    _admitted: AdmittedConnection,
}

impl Connection {
    /// Closes when the peer takes nothing for `write_timeout`, and, once the process stops, when it has been idle
    /// `keeps_idle` after the stop began.
    pub(crate) fn new(
        stream: TcpStream,
        admitted: AdmittedConnection,
        write_timeout: Duration,
        mut stopping: Stopping,
        keeps_idle: Duration,
    ) -> Self {
        Self {
            stream,
            write_timeout,
            stalled: None,
            closing: Some(Box::pin(async move {
                stopping.begun().await;
                sleep(keeps_idle).await;
            })),
            is_idle: false,
            _admitted: admitted,
        }
    }

    /// Whether the connection is idle at a time when idle ones are closed. Until then the task is woken when it comes.
    fn closes_now(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(closing) = &mut self.closing
            && closing.as_mut().poll(cx).is_ready()
        {
            self.closing = None;
        }
        self.closing.is_none() && self.is_idle
    }
}

impl AsyncRead for Connection {
    /// Reads; an idle connection that is to be closed reads its end, but only when no byte of another request is there.
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() && self.closes_now(cx) {
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
            self.stalled = None;
            self.is_idle = true;
            return written;
        }
        let write_timeout = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        if stalled.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        // Reset, not closed: the kernel would keep what it took so far for a peer that may never read it.
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
    use crate::connection_limits::{ConnectionLimits, ConnectionSettings};
    use crate::peer::TrustedProxies;

    /// A connection, its peer, and what stops it.
    async fn connected(write_timeout: Duration) -> (Connection, TcpStream, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let limits = ConnectionLimits::new(&ConnectionSettings::default(), TrustedProxies::default());
        let admitted = limits.admit(None).unwrap();
        let (stop, stopping) = watch::channel(false);
        let connection = Connection::new(stream, admitted, write_timeout, Stopping(stopping), Duration::ZERO);
        (connection, peer, stop)
    }

    const NO_TIMEOUT: Duration = Duration::from_mins(10);

    #[actix_web::test]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (mut connection, peer, _stop) = connected(Duration::from_millis(50)).await;
        let written = connection.write_all(&vec![0; 64 * 1024 * 1024]).await;
        assert_eq!(written.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        drop(peer);
    }

    #[actix_web::test]
    async fn a_peer_that_reads_now_and_then_is_not() {
        let (mut connection, mut peer, _stop) = connected(NO_TIMEOUT).await;
        let bytes = Arc::new(vec![7; 16 * 1024 * 1024]);
        let sent = bytes.clone();
        let writing = actix_web::rt::spawn(async move { connection.write_all(&sent).await });
        let mut received = vec![0; bytes.len()];
        peer.read_exact(&mut received).await.unwrap();
        assert!(received == *bytes);
        writing.await.unwrap().unwrap();
    }

    #[actix_web::test]
    async fn an_idle_connection_ends_when_the_process_stops_and_one_in_use_is_read_first() {
        let (mut connection, mut peer, stop) = connected(NO_TIMEOUT).await;
        let mut buffer = [0; 16];
        peer.write_all(b"one").await.unwrap();
        assert_eq!(connection.read(&mut buffer).await.unwrap(), 3);
        connection.write_all(b"answer").await.unwrap();
        peer.write_all(b"two").await.unwrap();
        stop.send_replace(true);
        // What the peer sent before it heard of the stop is a request; then its answer; then it is idle.
        assert_eq!(connection.read(&mut buffer).await.unwrap(), 3);
        connection.write_all(b"answer").await.unwrap();
        assert_eq!(connection.read(&mut buffer).await.unwrap(), 0);
        drop(peer);
    }

    #[actix_web::test]
    async fn a_connection_that_said_nothing_yet_may_still_ask() {
        let (mut connection, mut peer, stop) = connected(NO_TIMEOUT).await;
        stop.send_replace(true);
        let mut buffer = [0; 16];
        let reading = actix_web::rt::spawn(async move { connection.read(&mut buffer).await });
        tokio::task::yield_now().await;
        peer.write_all(b"one").await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), 3);
    }

    #[actix_web::test]
    async fn who_waits_on_an_idle_connection_is_woken_by_the_stop() {
        let (mut connection, mut peer, stop) = connected(NO_TIMEOUT).await;
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
