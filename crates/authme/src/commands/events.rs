use std::process::ExitCode;
use std::time::Duration;

use adapter_http::CloudEventMessage;
use clap::Args;
use ports::{Cursor, EventLogError};

use super::{Access, CommandTarget, PAGE_SIZE, print_line};

use crate::CommandError;

/// The interval at which the log, which another process writes, is checked for new events. A person does not notice the
/// delay.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The events to print.
#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    /// Print only events after this cursor. Fails if some of them are no longer kept [default: all that are kept]
    #[arg(long, value_name = "CURSOR")]
    after: Option<u64>,
    /// Wait for further events and print them, until Ctrl-C
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(target: &CommandTarget, arguments: EventsArguments) -> Result<ExitCode, CommandError> {
    target.require_folder()?;
    let log = target.embedded(Access::Read)?.event_log;
    let mut after = arguments.after.map(Cursor);
    loop {
        let events = log.read(after, PAGE_SIZE).await.map_err(read_error)?;
        let is_end = events.len() < PAGE_SIZE;
        for event in events {
            after = Some(event.cursor);
            print_line(&CloudEventMessage::from(event).to_line())?;
        }
        if is_end && !arguments.follow {
            return Ok(ExitCode::SUCCESS);
        }
        if is_end {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

fn read_error(error: EventLogError) -> CommandError {
    match error {
        EventLogError::Missed(_) => CommandError::msg(format!(
            "{error}. Read the current state elsewhere, then the events without --after"
        )),
        EventLogError::Store(error) => error.into(),
    }
}
