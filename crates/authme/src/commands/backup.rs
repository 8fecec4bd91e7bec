use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use domain::time::Timestamp;
use ports::Clock as _;
use serde::Serialize;
use service_assembly::{Backup, Restore};
use service_runtime::SystemClock;

use super::{Access, CommandTarget, print};
use crate::CommandError;

/// The target of `authme backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// Folder of the backup, which must not exist or be empty. It holds keys and secrets: store it encrypted
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// The source of `authme restore`.
#[derive(Debug, Args)]
#[command(
    after_help = "The data folder (--data) must not exist or be empty. A restore takes the store back in time: \
    users who were locked since the backup are unlocked again. So that no token from before is active again, it raises \
    every epoch: every session and every access token ends, and consumers of events start again."
)]
pub(crate) struct RestoreArguments {
    /// Folder that `authme backup` wrote
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Raise nothing: tokens, sessions and cursors of events stay valid. Only if the server did not run since the backup,
    /// for example to move it to another machine
    #[arg(long)]
    as_it_was: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupLine {
    backup: String,
    created_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoreLine {
    data: String,
    created_at: Timestamp,
    /// The epoch that every user and client has at least from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<u64>,
}

/// `authme backup`.
pub(crate) fn run(target: &CommandTarget, arguments: &BackupArguments) -> Result<ExitCode, CommandError> {
    target.require_folder()?;
    let data = target.data(Access::Read)?;
    let backup = Backup::start(&data, &arguments.folder)?;
    let created_at = SystemClock.now();
    for step in Backup::STEPS {
        backup.run_step(step, created_at)?;
    }
    let shown = arguments.folder.display().to_string();
    target
        .audit_of_folder()?
        .record(&[("backup", &shown)], None, Vec::new());
    print(&BackupLine {
        backup: shown,
        created_at,
    })?;
    Ok(ExitCode::SUCCESS)
}

/// `authme restore`.
pub(crate) fn restore(target: &CommandTarget, arguments: &RestoreArguments) -> Result<ExitCode, CommandError> {
    target.require_folder()?;
    let restore = Restore::start(&arguments.folder, target.folder(), arguments.as_it_was)?;
    let mut base = None;
    for step in Restore::STEPS {
        base = restore.run_step(step, SystemClock.now())?.or(base);
    }
    let shown = arguments.folder.display().to_string();
    target
        .audit_of_folder()?
        .record(&[("backup", &shown)], None, Vec::new());
    match base {
        Some(_) => eprintln!(
            "every session and token from before is invalid. Locks have the state of {}: repeat those that were made since",
            restore.created_at()
        ),
        None => eprintln!("tokens, sessions and cursors are valid as before"),
    }
    print(&RestoreLine {
        data: target.folder().display().to_string(),
        created_at: restore.created_at(),
        base,
    })?;
    Ok(ExitCode::SUCCESS)
}
