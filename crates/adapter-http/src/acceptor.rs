//! The way in: which connections are taken, and what is said of those that fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_web::rt::net::TcpStream;
use ports::{ConnectionError, MetricEvent, Telemetry};

use crate::connection::Connection;
use crate::connection_limits::ConnectionLimits;
use crate::events::Stopping;
use crate::{Api, ApiSettings};

/// An idle connection outlives the beginning of a stop by this at most. One that is in use gets its next request
/// answered in this time, and is told to close by that answer: so no request crosses the close on the way.
const KEEPS_IDLE: Duration = Duration::from_secs(1);

/// What every accepted connection passes, whichever worker it is given to.
#[derive(Clone)]
pub(crate) struct Acceptor {
    limits: Arc<ConnectionLimits>,
    telemetry: Arc<dyn Telemetry>,
    stopping: Stopping,
    write_timeout: Duration,
    keeps_idle: Duration,
}

impl Acceptor {
    pub(crate) fn new(api: &Api, settings: &ApiSettings) -> Self {
        Self {
            limits: ConnectionLimits::new(&settings.connections, settings.trusted_proxies.clone()),
            telemetry: api.telemetry.clone(),
            stopping: Stopping(api.stopping.clone()),
            write_timeout: settings.connections.write_timeout,
            keeps_idle: KEEPS_IDLE.min(settings.drain / 2),
        }
    }

    /// Takes a connection in, with the address of its peer; one that is too many is closed at once.
    pub(crate) fn admit(&self, stream: TcpStream) -> Result<(Connection, Option<SocketAddr>), ()> {
        let peer = stream.peer_addr().ok();
        let admitted = self.limits.admit(peer.map(|peer| peer.ip())).map_err(|limit| {
            self.telemetry.record(MetricEvent::ConnectionRefused(limit));
        })?;
        let stopping = self.stopping.clone();
        let connection = Connection::new(stream, admitted, self.write_timeout, stopping, self.keeps_idle);
        Ok((connection, peer))
    }

    /// Counts what ended a connection. A stranger can do so as often as he likes, so it is logged at `debug`.
    pub(crate) fn failed(&self, error: &DispatchError) {
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
