use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use ports::{EventPublisher, Stores};
use service_runtime::{CommandError, Loops, Stop, listen};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::app::App;

// The time limits of the shutdown steps, in the order of the steps. Together with the 8 s for requests in flight and the
// default `http.drain` of 5 s they add up to 24 s. Kubernetes kills a pod after 30 s (`terminationGracePeriodSeconds`).

/// The limit for the relay: the time limit for publishing one outbox.
const RELAY_TIMEOUT: Duration = Duration::from_secs(5);
/// The limit for the publisher to send what it buffers.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// The limit for store calls that were already sent. A call takes at most 2.5 s.
const STORE_TIMEOUT: Duration = Duration::from_secs(3);

/// The listeners of a process.
pub struct Listeners {
    pub api: TcpListener,
    pub management: TcpListener,
}

impl Listeners {
    /// Opens the listeners of `http.listen` and `http.management`. `options` are the command-line options that override
    /// these settings.
    pub fn bind(api: &str, management: &str, options: [Option<&str>; 2]) -> Result<Self, CommandError> {
        let [api_option, management_option] = options;
        Ok(Self {
            api: listen(api, "http.listen", api_option)?,
            management: listen(management, "http.management", management_option)?,
        })
    }

    /// Returns the address of the API.
    pub fn address(&self) -> Result<SocketAddr, CommandError> {
        address(&self.api)
    }
}

fn address(listener: &TcpListener) -> Result<SocketAddr, CommandError> {
    let address = listener.local_addr();
    address.map_err(CommandError::context("the address of the server cannot be determined"))
}

/// A running process, and the parts that its shutdown ends.
pub struct Running {
    pub address: SocketAddr,
    pub management: SocketAddr,
    drain: Duration,
    api_server: ServerHandle,
    management_server: ServerHandle,
    servers: [JoinHandle<std::io::Result<()>>; 2],
    loops: Loops,
    stop: Stop,
    stores: Stores,
    event_publisher: Arc<dyn EventPublisher>,
    _lock: Option<File>,
}

impl Running {
    /// Starts loops and servers.
    pub fn start(app: App, listeners: Listeners) -> Result<Self, CommandError> {
        let (api_address, management_address) = (address(&listeners.api)?, address(&listeners.management)?);
        let loops = app.start_loops();
        let drain = app.api_settings.http.drain;
        let management = app.management.serve(listeners.management);
        let management = management.map_err(CommandError::context("the management port cannot be served"))?;
        let api = adapter_http::serve(app.api, app.api_settings, listeners.api);
        let api = api.map_err(CommandError::context("the API cannot be served"))?;
        Ok(Self {
            address: api_address,
            management: management_address,
            drain,
            api_server: api.handle(),
            management_server: management.handle(),
            servers: [tokio::spawn(api), tokio::spawn(management)],
            loops,
            stop: app.stop,
            stores: app.stores,
            event_publisher: app.event_publisher,
            _lock: app.lock,
        })
    }

    /// Shuts down. The steps are:
    ///
    /// 1. Readiness turns false. The API keeps serving for `http.drain`, so that load balancers notice.
    /// 2. Requests in flight are finished.
    /// 3. The relay publishes the last events.
    /// 4. The publisher is flushed, and the last store calls are finished.
    ///
    /// The management port is open until the end, so that the last metrics can be scraped.
    pub async fn stop(self) {
        tracing::info!("stopping");
        self.stop.begin();
        sleep(self.drain).await;
        self.api_server.stop(true).await;
        if timeout(RELAY_TIMEOUT, self.loops.end()).await.is_err() {
            tracing::warn!("events remain in the outboxes; another relay publishes them");
        }
        if let Err(error) = self.event_publisher.close(FLUSH_TIMEOUT).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the publisher was closed before it had sent everything"
            );
        }
        if timeout(STORE_TIMEOUT, self.stores.upkeep.close()).await.is_err() {
            tracing::warn!("the store did not answer the last calls");
        }
        self.management_server.stop(true).await;
        for server in self.servers {
            let _ = server.await;
        }
        tracing::info!("stopped");
    }
}
