use std::process::ExitCode;
use std::time::Duration;

use adapter_http::CloudEventMessage;
use clap::Args;
use ports::Cursor;

use super::{CommandTarget, PAGE, print_line};
use crate::{CommandError, DataFolder};

/// A log written by another process is looked at so often.
const POLL: Duration = Duration::from_millis(250);

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

pub(crate) async fn run(place: &CommandTarget, arguments: EventsArguments) -> Result<ExitCode, CommandError> {
    let log = DataFolder::open(place.folder_only()?)?.stores(1)?.event_log;
    let mut after = Cursor(arguments.after);
    loop {
        let events = log.read(after, PAGE).await?;
        let is_end = events.len() < PAGE;
        for event in events {
            after = event.cursor;
            print_line(&CloudEventMessage::from(event).to_line())?;
        }
        if is_end && !arguments.follow {
            return Ok(ExitCode::SUCCESS);
        }
        if is_end {
            tokio::time::sleep(POLL).await;
        }
    }
}
