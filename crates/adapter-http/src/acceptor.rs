//! Accepts connections up to their limits, and counts and logs connections that fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_web::rt::net::TcpStream;
use ports::{ConnectionError, MetricEvent, Telemetry};

use crate::connection::Connection;
use crate::connection_limits::ConnectionLimiter;
use crate::settings::ApiSettings;
use crate::shutdown::Shutdown;

/// The time for which a connection may stay idle after the shutdown has begun. A client that reuses a connection
/// usually sends its next request within a second. It then gets a response with `connection: close`, so no request is
/// in flight when the server closes the connection.
const IDLE_GRACE: Duration = Duration::from_secs(1);

/// The limits and timeouts of every accepted connection, shared by all workers.
#[derive(Clone)]
pub(crate) struct Acceptor {
    limiter: Arc<ConnectionLimiter>,
    telemetry: Arc<dyn Telemetry>,
    shutdown: Shutdown,
    write_timeout: Duration,
    idle_grace: Duration,
}

impl Acceptor {
    pub(crate) fn new(telemetry: Arc<dyn Telemetry>, shutdown: Shutdown, settings: &ApiSettings) -> Self {
        Self {
            limiter: ConnectionLimiter::new(&settings.http, settings.trusted_proxies.clone()),
            telemetry,
            shutdown,
            write_timeout: settings.http.write_timeout,
            idle_grace: IDLE_GRACE.min(settings.http.drain / 2),
        }
    }

    /// Admits a connection and returns it with the address of its peer. A connection over a limit is closed
    /// immediately.
    pub(crate) fn admit(&self, stream: TcpStream) -> Result<(Connection, Option<SocketAddr>), ()> {
        let peer = stream.peer_addr().ok();
        let permit = self.limiter.admit(peer.map(|peer| peer.ip())).map_err(|limit| {
            self.telemetry.record(MetricEvent::ConnectionRefused(limit));
        })?;
        let shutdown = self.shutdown.clone();
        let connection = Connection::new(stream, permit, self.write_timeout, shutdown, self.idle_grace);
        Ok((connection, peer))
    }

    /// Counts the error that ended a connection. Any client can cause most of these errors at will and fill the log, so
    /// only internal errors are logged above `debug`.
    pub(crate) fn record_error(&self, error: &DispatchError) {
        let kind = match error {
            DispatchError::Parse(_) => ConnectionError::Malformed,
            DispatchError::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => ConnectionError::WriteTimeout,
            DispatchError::Io(_) => ConnectionError::Broken,
            DispatchError::DisconnectTimeout => ConnectionError::CloseTimeout,
            _ => ConnectionError::Internal,
        };
        self.telemetry.record(MetricEvent::ConnectionFailed(kind));
        if kind == ConnectionError::Internal {
            tracing::error!(error = error as &dyn std::error::Error, "a connection failed");
        } else {
            tracing::debug!(kind = kind.as_str(), "a connection failed");
        }
    }
}
