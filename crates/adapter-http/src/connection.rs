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
