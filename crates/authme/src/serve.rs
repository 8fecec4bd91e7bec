use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use adapter_delivery::{DeliveryConfig, DeliverySettings};
use clap::Args;
use ports::Clock as _;
use service_runtime::{
    AuditLog, Binary, Loaded, Loops, Settings, Signals, Stop, SystemClock, announce, listen, load, start_logs,
};
use tokio::task::JoinHandle;

use crate::runtime::on_runtime;
use crate::{CommandError, DataFolder, Installation};

/// The settings in force: the defaults of the binary, the file, the environment.
pub fn defaults(file: Option<&Path>) -> Result<Settings, CommandError> {
    settings(&loaded(Binary::Authme, file)?)
}

/// How codes leave: as the settings in force say, all into a file of the data folder when they name no way at all.
fn delivery(loaded: &Loaded, data: &DataFolder) -> Result<DeliverySettings, CommandError> {
    let choices = loaded.read::<DeliveryConfig>();
    let choices = choices.map_err(CommandError::context("the settings are refused"))?;
    let settings = choices.into_settings(Some(data.outgoing_codes()), adapter_crypto::read_private);
    settings.map_err(CommandError::context("codes cannot be delivered"))
}

/// The settings that an operator's command goes by.
pub(crate) fn for_operator() -> Result<Settings, CommandError> {
    settings(&loaded(Binary::Operator, None)?)
}

fn settings(loaded: &Loaded) -> Result<Settings, CommandError> {
    let settings = loaded.read::<Settings>().and_then(Settings::validate);
    settings.map_err(CommandError::context("the settings are refused"))
}

fn loaded(binary: Binary, file: Option<&Path>) -> Result<Loaded, CommandError> {
    let loaded = load(binary, include_str!("../config.default.toml"), file);
    loaded.map_err(CommandError::context("the settings are refused"))
}

/// The audit trail in the data folder.
pub(crate) fn audit_log(data: &DataFolder) -> Result<AuditLog, CommandError> {
    AuditLog::in_file(&data.audit()).map_err(CommandError::context("the audit trail cannot be opened"))
}

/// The two ports, taken before anything else is done.
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

/// A server that answers.
pub struct Running {
    pub address: SocketAddr,
    pub management: SocketAddr,
    api: ServerHandle,
    management_handle: ServerHandle,
    servers: [JoinHandle<std::io::Result<()>>; 2],
    loops: Loops,
    stop: Stop,
    _only_one: File,
}

impl Running {
    /// Wires and starts everything on the given ports.
    pub fn start(
        data: DataFolder,
        settings: Settings,
        delivery: DeliverySettings,
        audit: AuditLog,
        listeners: Listeners,
    ) -> Result<Self, CommandError> {
        let only_one = data.serve_lock()?;
        let doing = CommandError::context::<std::io::Error>;
        let address = listeners.api.local_addr().map_err(doing("the port is not known"))?;
        let management = listeners
            .management
            .local_addr()
            .map_err(doing("the port is not known"))?;
        let issuer = settings
            .tokens
            .issuer
            .clone()
            .unwrap_or_else(|| format!("http://{address}"));
        let process = Installation {
            data,
            settings,
            issuer,
            delivery,
            clock: Arc::new(SystemClock),
            audit: Arc::new(audit),
        }
        .wire()?;
        let loops = process.start_loops();
        let api = adapter_http::serve(process.api, process.api_settings, listeners.api)
            .map_err(doing("the API cannot be served"))?;
        let health = process
            .management
            .serve(listeners.management)
            .map_err(doing("the management port cannot be served"))?;
        Ok(Self {
            address,
            management,
            api: api.handle(),
            management_handle: health.handle(),
            servers: [tokio::spawn(api), tokio::spawn(health)],
            loops,
            stop: process.stop,
            _only_one: only_one,
        })
    }

    /// Unready at once; serves on for `drain`; finishes what is in flight; carries out the last events; ends.
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
    let loaded = loaded(Binary::Authme, arguments.config.as_deref())?;
    let mut settings = settings(&loaded)?;
    if let Some(listen) = &arguments.listen {
        settings.http.listen.clone_from(listen);
    }
    if let Some(management) = &arguments.management {
        settings.http.management.clone_from(management);
    }
    start_logs(&settings.log).map_err(CommandError::context("logging cannot be started"))?;
    let data = DataFolder::open(data)?;
    // Told before a port that the other server holds.
    drop(data.serve_lock()?);
    let listeners = Listeners::bind(&settings.http.listen, &settings.http.management)?;
    let delivery = delivery(&loaded, &data)?;
    let codes = match delivery.file() {
        Some(file) => format!(", codes in {}", file.display()),
        None => String::new(),
    };
    let folder = data.path().display().to_string();
    let (drain, has_docs) = (settings.http.drain, settings.http.docs);
    let log = settings.log.clone();
    let audit = audit_log(&data)?.and_on_stream();
    on_runtime(async {
        // Before anyone is told that it serves: whoever is told may ask it to end.
        let mut signals = Signals::install().map_err(CommandError::context("signals cannot be heard"))?;
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn codes_go_into_the_data_folder_only_without_any_server() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path().join("data")).unwrap();
        let local = delivery(&loaded(Binary::Authme, None).unwrap(), &data).unwrap();
        assert_eq!(local.file(), Some(data.outgoing_codes().as_path()));
        let file = folder.path().join("authme.toml");
        fs::write(&file, "[smtp]\nhost = 'mail.example'\nfrom = 'a@example.com'\n").unwrap();
        let refused = delivery(&loaded(Binary::Authme, Some(&file)).unwrap(), &data).unwrap_err();
        let refused = format!("{refused:?} {refused}");
        assert!(refused.contains("sms.url"), "{refused}");
    }
}
