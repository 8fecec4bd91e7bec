use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use domain::identity::Identity;
use domain::registration::Additions;
use futures_util::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use ports::{Identities, IdentitySaveOutcome, StoreError};

use super::identity_line::IdentityLine;
use super::registry::Registry;
use crate::CommandError;

/// The maximum number of users stored in parallel: as many writes as SQLite's writer puts into one commit.
const MAX_IN_FLIGHT: usize = 128;

/// The maximum length of a line in bytes. A user with all contacts, roles and businesses needs a few kilobytes; the
/// limit bounds the work for a file that is not an import file.
const MAX_LINE_LENGTH: usize = 64 * 1024;

/// The result of importing one line.
struct ImportedLine {
    /// Counted from 1.
    number: usize,
    /// The length in bytes, with the line break.
    length: u64,
    outcome: Result<(), String>,
}

/// `authme identity import`: stores the users of a file. Bad lines are reported by number on stderr and skipped. If
/// there is one, the exit code is 1. A second run with the same file changes nothing.
pub(super) async fn run(
    identities: Arc<dyn Identities>,
    registry: Registry,
    file: &Path,
) -> Result<ExitCode, CommandError> {
    let (reader, size) = open(file)?;
    let bar = progress_bar(size);
    let lines = stream::iter(reader.lines().enumerate()).map(|(index, line)| {
        let (identities, registry) = (identities.clone(), registry.clone());
        async move {
            let number = index + 1;
            let line = line.map_err(|error| (number, error))?;
            let length = line.len() as u64 + 1;
            let outcome = if line.trim().is_empty() {
                Ok(())
            } else {
                store(&*identities, &registry, &line).await
            };
            Ok::<_, (usize, std::io::Error)>(ImportedLine {
                number,
                length,
                outcome,
            })
        }
    });
    let mut imported = lines.buffered(MAX_IN_FLIGHT);
    let (mut stored, mut bad) = (0_u64, 0_u64);
    while let Some(line) = imported.next().await {
        let line = match line {
            Ok(line) => line,
            Err((number, error)) if error.kind() == std::io::ErrorKind::InvalidData => ImportedLine {
                number,
                length: 0,
                outcome: Err("is not UTF-8".to_owned()),
            },
            Err((_, error)) => return Err(CommandError::context("the file cannot be read")(error)),
        };
        bar.inc(line.length);
        match line.outcome {
            Ok(()) => stored += 1,
            Err(message) => {
                bad += 1;
                bar.suspend(|| eprintln!("line {}: {message}", line.number));
            }
        }
    }
    bar.finish_and_clear();
    eprintln!("{stored} lines stored, {bad} bad");
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn open(file: &Path) -> Result<(Box<dyn BufRead>, Option<u64>), CommandError> {
    if file == Path::new("-") {
        return Ok((Box::new(BufReader::new(std::io::stdin())), None));
    }
    let opened = File::open(file).map_err(CommandError::context("the file cannot be opened"))?;
    let size = opened.metadata().ok().map(|metadata| metadata.len());
    Ok((Box::new(BufReader::new(opened)), size))
}

fn progress_bar(size: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    match size {
        Some(size) => {
            let style = ProgressStyle::with_template("{bar:40} {percent}% {bytes}/{total_bytes}, {eta} to go");
            ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        }
        None => ProgressBar::new_spinner(),
    }
}

/// Stores the user of a line. A line without a user id updates the user that has one of its logins, if there
/// is such a user.
/// Contacts without an id keep the stored ids, so a second run changes nothing.
async fn store(identities: &dyn Identities, registry: &Registry, line: &str) -> Result<(), String> {
    if line.len() > MAX_LINE_LENGTH {
        return Err(format!("is longer than {MAX_LINE_LENGTH} bytes"));
    }
    // The parser's message may quote the line, which holds contacts, so only the column is reported.
    let parsed: IdentityLine =
        serde_json::from_str(line).map_err(|error| format!("cannot be read (column {})", error.column()))?;
    let draft = parsed.clone().into_identity(None)?;
    let stored = if parsed.user_id.is_some() {
        identities.find(&draft.id).await.map_err(error_text)?
    } else {
        find_by_any_login(identities, &draft).await.map_err(error_text)?
    };
    let identity = parsed.into_identity(stored.as_ref())?;
    let additions = Additions::of_identity(stored.as_ref(), &identity);
    let checked = registry.check(&additions).await;
    checked.map_err(|error| error.to_string())?;
    // A new user is created, not replaced: only so is the id of a removed user given again.
    let mut saved = match &stored {
        Some(_) => identities.replace(&identity).await,
        None => identities.create(&identity).await,
    };
    if stored.is_none() && matches!(saved, Ok(IdentitySaveOutcome::IdTaken)) {
        // An earlier line of the file has created it meanwhile.
        saved = identities.replace(&identity).await;
    }
    match saved.map_err(error_text)? {
        IdentitySaveOutcome::Saved => Ok(()),
        IdentitySaveOutcome::LoginTaken { by } => Err(format!("its e-mail or mobile is a login of the user `{by}`")),
        IdentitySaveOutcome::IdTaken => Err("its id is taken".to_owned()),
        IdentitySaveOutcome::Removed => Err("the user was removed and is being erased: try again later".to_owned()),
    }
}

async fn find_by_any_login(identities: &dyn Identities, identity: &Identity) -> Result<Option<Identity>, StoreError> {
    for login in identity.logins() {
        let user = identities.find_by_login(&login).await?;
        if user.is_some() {
            return Ok(user);
        }
    }
    Ok(None)
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn error_text(error: StoreError) -> String {
    error.to_string()
}
