use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use adapter_delivery::DeliverySettings;
use clap::Args;
use ports::Clock as _;
use service_runtime::{AuditLog, Loops, Signals, Stop, SystemClock, announce, listen, start_logs};
use tokio::task::JoinHandle;

use crate::runtime::on_runtime;
use crate::settings::{Settings, delivery, load_server};
use crate::{AppParts, CommandError, DataFolder};

/// Opens the audit trail of the data folder.
pub(crate) fn audit_log(data: &DataFolder) -> Result<AuditLog, CommandError> {
    AuditLog::in_file(&data.audit()).map_err(CommandError::context("the audit trail cannot be opened"))
}

/// The listeners of a server. They are opened before the store, so that a port in use is reported immediately.
pub struct Listeners {
    pub api: TcpListener,
    pub management: TcpListener,
}

impl Listeners {
    pub fn bind(api: &str, management: &str) -> Result<Self, CommandError> {
        Ok(Self {
            api: listen(api, "http.listen", Some("--listen"))?,
            management: listen(management, "http.management", Some("--management"))?,
        })
    }
}

/// A running server.
pub struct Running {
    pub address: SocketAddr,
    pub management: SocketAddr,
    api: ServerHandle,
    management_handle: ServerHandle,
    servers: [JoinHandle<std::io::Result<()>>; 2],
    loops: Loops,
    stop: Stop,
    /// Held until the process ends, so that no second server starts on the same data folder.
    _serve_lock: File,
}

impl Running {
    /// Wires the contexts, and starts loops and servers. Fails if another server uses the data folder.
    pub fn start(
        data: DataFolder,
        mut settings: Settings,
        delivery: DeliverySettings,
        audit: AuditLog,
        listeners: Listeners,
    ) -> Result<Self, CommandError> {
        let serve_lock = data.serve_lock()?;
        let failed = CommandError::context::<std::io::Error>;
        let unknown_port = "the address of the server cannot be determined";
        let address = listeners.api.local_addr().map_err(failed(unknown_port))?;
        let management = listeners.management.local_addr().map_err(failed(unknown_port))?;
        if settings.accepted_tokens.issuer.is_empty() {
            settings.accepted_tokens.issuer = format!("http://{address}");
        }
        let app = AppParts {
            data,
            settings,
            delivery,
            clock: Arc::new(SystemClock),
            audit: Arc::new(audit),
        }
        .wire()?;
        let loops = app.start_loops();
        let api = adapter_http::serve(app.api, app.api_settings, listeners.api)
            .map_err(failed("the API cannot be served"))?;
        let health = app
            .management
            .serve(listeners.management)
            .map_err(failed("the management port cannot be served"))?;
        Ok(Self {
            address,
            management,
            api: api.handle(),
            management_handle: health.handle(),
            servers: [tokio::spawn(api), tokio::spawn(health)],
            loops,
            stop: app.stop,
            _serve_lock: serve_lock,
        })
    }

    /// Shuts down. The steps are:
    ///
    /// 1. Readiness turns false. The API keeps serving for `drain`, so that load balancers notice.
    /// 2. Requests in flight are finished.
    /// 3. The relay publishes the last events.
    /// 4. The management port closes.
    pub async fn stop(self, drain: std::time::Duration) {
        self.stop.begin();
        tokio::time::sleep(drain).await;
        self.api.stop(true).await;
        self.loops.end().await;
        self.management_handle.stop(true).await;
        for server in self.servers {
            let _ = server.await;
        }
    }
}

/// The arguments of `authme serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Address of the API; overrides the setting `http.listen` [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address of health checks and metrics; overrides the setting `http.management` [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDRESS")]
    management: Option<String>,
    /// Settings file (TOML). Environment variables (`AUTHME__SECTION__NAME`) override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// `authme serve`.
pub(crate) fn run(data: &Path, arguments: &ServeArguments) -> Result<ExitCode, CommandError> {
    let (loaded, mut settings) = load_server(arguments.config.as_deref())?;
    if let Some(listen) = &arguments.listen {
        settings.http.listen.clone_from(listen);
    }
    if let Some(management) = &arguments.management {
        settings.http.management.clone_from(management);
    }
    start_logs(&settings.log).map_err(CommandError::context("logging cannot be started"))?;
    let data = DataFolder::open(data)?;
    // Checked before the ports. If another server holds the lock and the ports, the message about the lock is clearer.
    drop(data.serve_lock()?);
    let listeners = Listeners::bind(&settings.http.listen, &settings.http.management)?;
    let delivery = delivery(&loaded, &data)?;
    let codes = match delivery.file() {
        Some(file) => format!(", codes in {}", file.display()),
        None => String::new(),
    };
    let folder = data.path().display().to_string();
    let (drain, has_docs) = (settings.http.drain, settings.http.serves_docs);
    let log = settings.log.clone();
    let audit = audit_log(&data)?.with_stderr();
    on_runtime(async {
        // Installed before the announcement: a script that reads it may send SIGTERM immediately.
        let mut signals = Signals::install().map_err(CommandError::context("signal handlers cannot be installed"))?;
        let running = Running::start(data, settings, delivery, audit, listeners)?;
        let address = running.address;
        let reference = if has_docs {
            format!(", reference at http://{address}/docs")
        } else {
            String::new()
        };
        let line = format!("AuthMe serves http://{address}{reference}, data in {folder}{codes}");
        announce(&line, &log, SystemClock.now());
        signals.recv().await;
        running.stop(drain).await;
        Ok(ExitCode::SUCCESS)
    })
}
