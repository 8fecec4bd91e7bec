use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use domain::time::Timestamp;
use serde::Deserialize;

use super::{Access, CommandTarget, print_line};

use crate::CommandError;

/// The interval at which the file is checked for new records. A person does not notice the delay.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The records to print.
#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// Print only records from this time on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Wait for further records and print them, until Ctrl-C
    #[arg(long)]
    follow: bool,
}

#[derive(Deserialize)]
struct RecordTime {
    timestamp: Timestamp,
}

pub(crate) fn run(target: &CommandTarget, arguments: &AuditArguments) -> Result<ExitCode, CommandError> {
    target.require_folder()?;
    let path = target.data(Access::Read)?.audit();
    let failed = CommandError::context::<std::io::Error>;
    let unreadable = "the audit trail cannot be read";
    let mut file = loop {
        match File::open(&path) {
            Ok(file) => break BufReader::new(file),
            Err(error) if error.kind() == ErrorKind::NotFound && arguments.follow => std::thread::sleep(POLL_INTERVAL),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(failed(unreadable)(error)),
        }
    };
    let mut line = String::new();
    loop {
        // A line that is still being written is kept, and a later read completes it.
        let read = file.read_line(&mut line).map_err(failed(unreadable))?;
        if line.ends_with('\n') {
            if is_since(&line, arguments.since) {
                print_line(line.trim_end())?;
            }
            line.clear();
        } else if read == 0 && !arguments.follow {
            return Ok(ExitCode::SUCCESS);
        } else if read == 0 {
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

/// Returns whether to print the line. A line that cannot be parsed is printed, so that the operator notices damage.
fn is_since(line: &str, since: Option<Timestamp>) -> bool {
    let record: Option<RecordTime> = serde_json::from_str(line).ok();
    record
        .zip(since)
        .is_none_or(|(record, since)| record.timestamp >= since)
}
