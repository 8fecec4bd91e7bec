use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use adapter_crypto::SystemRandomness;
use clap::Args;
use domain::caller::Cause;
use domain::credential_lock::LockReason;
use domain::ids::UserId;
use indicatif::{ProgressBar, ProgressStyle};
use ports::Runtime;
use serde::Serialize;
use service_runtime::{AuditLog, PrometheusTelemetry, SystemClock};
use tokio::time::{MissedTickBehavior, interval};
use use_cases::credential_lock::{CredentialLockUseCases, LockError};

use super::audited::CommandAudit;
use super::{Access, CommandTarget, operator, print};
use crate::CommandError;

/// The number of store errors in a row after which a command stops. A single error may be an election of the store.
const MAX_ERRORS_IN_A_ROW: u32 = 5;

/// The pause after a store error, so that five attempts outlast a short outage.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// The maximum size of a file in bytes: a million ids of 64 bytes. The ids are read before the first one is locked, so
/// that the progress bar knows their number.
const MAX_FILE_SIZE: u64 = 64 * 1024 * 1024;

/// The users to lock or unlock.
#[derive(Debug, Args)]
#[command(
    after_help = "Prints one JSON object per user: what was done, or why not. A user who is already in the state is \
    not changed again, so a command that was interrupted can be repeated."
)]
pub(crate) struct LockArguments {
    /// User ID (repeatable)
    #[arg(value_name = "USER", required_unless_present = "file")]
    users: Vec<String>,
    /// File with a user ID per line, or - for standard input. Empty lines are skipped
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Reason, at most 200 characters. It is stored with each lock, and is in no event
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<LockReason>,
    /// Maximum number of users per second. Consumers of events handle every lock
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
}

fn reason(text: &str) -> Result<LockReason, String> {
    LockReason::parse(text).map_err(|invalid| invalid.to_string())
}

/// The change that a command makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockChange {
    Lock,
    Unlock,
}

/// The result of a command for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Locked,
    Unlocked,
    AlreadyLocked,
    AlreadyUnlocked,
    Failed,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LockLine<'a> {
    user_id: &'a str,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Why a user was neither locked nor unlocked.
enum UserError {
    /// An error of this user only.
    Rejected(String),
    /// An error of the store: the next user may fail in the same way.
    Store(String),
}

/// The use cases, and who runs them.
struct LockCommands {
    change: LockChange,
    use_cases: CredentialLockUseCases,
    audit: CommandAudit,
    operator: String,
    reason: Option<LockReason>,
}

impl LockCommands {
    async fn open(
        target: &CommandTarget,
        change: LockChange,
        reason: Option<LockReason>,
    ) -> Result<Self, CommandError> {
        let stores = target.unaudited_stores(Access::Write).await?;
        let telemetry = PrometheusTelemetry::new().map_err(CommandError::context("the metrics cannot be set up"))?;
        let runtime = Runtime {
            clock: Arc::new(SystemClock),
            randomness: Arc::new(SystemRandomness),
            telemetry: Arc::new(telemetry),
            audit: Arc::new(AuditLog::on_stderr()),
        };
        Ok(Self {
            change,
            use_cases: CredentialLockUseCases::new(&stores, &runtime),
            audit: target.audit()?,
            operator: operator::name(),
            reason,
        })
    }

    /// Locks or unlocks a user, as the HTTP operation does.
    async fn apply(&self, user: &str) -> Result<Outcome, UserError> {
        let id = UserId::parse(user).map_err(|malformed| UserError::Rejected(malformed.to_string()))?;
        let cause = Cause::Operator(&self.operator);
        let reason = self.reason.clone();
        let result = match self.change {
            LockChange::Lock => self.use_cases.lock_credential.run(cause, id, reason).await,
            LockChange::Unlock => self.use_cases.unlock_credential.run(cause, id, reason).await,
        };
        let is_changed = result.map_err(|error| match error {
            LockError::Failed(_) => UserError::Store(CommandError::context("the store failed")(error).report()),
            rejected => UserError::Rejected(rejected.to_string()),
        })?;
        if is_changed {
            self.audit.record(&[("user", user)], None, Vec::new());
        }
        Ok(match (self.change, is_changed) {
            (LockChange::Lock, true) => Outcome::Locked,
            (LockChange::Lock, false) => Outcome::AlreadyLocked,
            (LockChange::Unlock, true) => Outcome::Unlocked,
            (LockChange::Unlock, false) => Outcome::AlreadyUnlocked,
        })
    }
}

/// `authme lock` and `authme unlock`. Exits with 1 if a user failed.
pub(crate) async fn run(
    target: &CommandTarget,
    change: LockChange,
    arguments: LockArguments,
) -> Result<ExitCode, CommandError> {
    let mut users = arguments.users;
    if let Some(file) = &arguments.file {
        users.extend(read_users(file)?);
    }
    let commands = LockCommands::open(target, change, arguments.reason).await?;
    let bar = progress_bar(users.len() as u64);
    let mut turns = interval(Duration::from_secs(1) / arguments.rate);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut failed, mut errors_in_a_row) = (0_u64, 0);
    for (index, user) in users.iter().enumerate() {
        turns.tick().await;
        let (outcome, message) = match commands.apply(user).await {
            Ok(outcome) => (outcome, None),
            Err(UserError::Rejected(message)) => (Outcome::Failed, Some(message)),
            Err(UserError::Store(message)) => {
                errors_in_a_row += 1;
                if errors_in_a_row == MAX_ERRORS_IN_A_ROW {
                    bar.finish_and_clear();
                    return Err(CommandError::msg(format!(
                        "stopped before user {} of {}: {message}; repeat the command when the store answers",
                        index + 1,
                        users.len()
                    )));
                }
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                (Outcome::Failed, Some(message))
            }
        };
        if outcome == Outcome::Failed {
            failed += 1;
        } else {
            errors_in_a_row = 0;
        }
        bar.suspend(|| {
            print(&LockLine {
                user_id: user,
                outcome,
                message,
            })
        })?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    eprintln!("{} users, {failed} failed", users.len());
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn read_users(file: &Path) -> Result<Vec<String>, CommandError> {
    let unreadable = || CommandError::context("the file cannot be read");
    let reader: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(file).map_err(unreadable())?)
    };
    let mut users = Vec::new();
    let mut size = 0;
    for line in BufReader::new(reader.take(MAX_FILE_SIZE + 1)).lines() {
        let line = line.map_err(unreadable())?;
        size += line.len() as u64 + 1;
        if size > MAX_FILE_SIZE {
            return Err(CommandError::msg(format!(
                "the file has more than {MAX_FILE_SIZE} bytes: split it"
            )));
        }
        let user = line.trim();
        if !user.is_empty() {
            users.push(user.to_owned());
        }
    }
    Ok(users)
}

fn progress_bar(users: u64) -> ProgressBar {
    // The lines of a few users are progress enough.
    if users < 10 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} users, {eta} to go");
    ProgressBar::new(users).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
