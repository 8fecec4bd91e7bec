use std::process::ExitCode;
use std::time::Duration;

use adapter_http::CloudEventMessage;
use clap::Args;
use ports::Cursor;

use super::{CommandTarget, PAGE_SIZE, print_line};
use service_assembly::DataFolder;

use crate::CommandError;

/// The interval at which the log, which another process writes, is checked for new events. A person does not notice the
/// delay.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The events to print.
#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    /// Print only events after this cursor
    #[arg(long, default_value_t = 0, value_name = "CURSOR")]
    after: u64,
    /// Wait for further events and print them, until Ctrl-C
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(target: &CommandTarget, arguments: EventsArguments) -> Result<ExitCode, CommandError> {
    let log = DataFolder::open(target.folder_only()?)?.store(1)?.event_log;
    let mut after = Cursor(arguments.after);
    loop {
        let events = log.read(after, PAGE_SIZE).await?;
        let is_end = events.len() < PAGE_SIZE;
        for event in events {
            after = event.cursor;
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
