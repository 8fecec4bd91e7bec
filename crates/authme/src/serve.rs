use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use ports::Clock as _;
use service_assembly::settings::{ProcessSettings, delivery};
use service_assembly::{App, CONTEXTS, DataFolder, Listeners, Running};
use service_runtime::{AuditLog, Loaded, Signals, SystemClock, announce, start_logs};

use crate::CommandError;
use crate::runtime::on_runtime;
use crate::settings::server_settings;

/// Opens the audit trail of the data folder.
pub(crate) fn audit_log(data: &DataFolder) -> Result<AuditLog, CommandError> {
    AuditLog::in_file(&data.audit()).map_err(CommandError::context("the audit trail cannot be opened"))
}

/// Starts a server on a data folder. If no issuer is set, it is the address of the API.
pub(crate) fn start(
    data: &DataFolder,
    mut loaded: Loaded,
    audit: AuditLog,
    listeners: Listeners,
) -> Result<Running, CommandError> {
    let invalid = || CommandError::context("the settings are invalid");
    if ProcessSettings::read(&loaded)
        .map_err(invalid())?
        .tokens
        .issuer
        .is_empty()
    {
        let address = listeners.address()?;
        loaded
            .set("tokens.issuer", format!("http://{address}"))
            .map_err(invalid())?;
    }
    let platform = data.platform(&loaded, Arc::new(SystemClock), Arc::new(audit))?;
    Running::start(App::assemble(CONTEXTS, platform, loaded)?, listeners)
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
    let invalid = || CommandError::context("the settings are invalid");
    let mut loaded = server_settings(arguments.config.as_deref())?;
    for (setting, address) in [
        ("http.listen", &arguments.listen),
        ("http.management", &arguments.management),
    ] {
        if let Some(address) = address {
            loaded.set(setting, address.as_str()).map_err(invalid())?;
        }
    }
    let ProcessSettings { http, log, .. } = ProcessSettings::read(&loaded).map_err(invalid())?;
    start_logs(&log).map_err(CommandError::context("logging cannot be started"))?;
    let data = DataFolder::open_or_create(data, SystemClock.now())?;
    if data.is_new() {
        tracing::info!(folder = %data.path().display(), "created the data folder");
    }
    // Checked before the ports. If another server holds the lock and the ports, the message about the lock is clearer.
    drop(data.serve_lock()?);
    let options = [Some("--listen"), Some("--management")];
    let listeners = Listeners::bind(&http.listen, &http.management, options)?;
    let delivery = delivery(&loaded, Some(data.outgoing_codes()))?;
    let codes = match delivery.file() {
        Some(file) => format!(", codes in {}", file.display()),
        None => String::new(),
    };
    let folder = data.path().display().to_string();
    let audit = audit_log(&data)?.with_stderr();
    on_runtime(async {
        // Installed before the announcement: a script that reads it may send SIGTERM immediately.
        let mut signals = Signals::install().map_err(CommandError::context("signal handlers cannot be installed"))?;
        let running = start(&data, loaded, audit, listeners)?;
        let address = running.address;
        let reference = if http.serves_docs {
            format!(", reference at http://{address}/docs")
        } else {
            String::new()
        };
        let line = format!("AuthMe serves http://{address}{reference}, data in {folder}{codes}");
        announce(&line, &log, SystemClock.now());
        signals.recv().await;
        running.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}
