//! The operator's commands. They print results on stdout, one JSON object per line, and messages on stderr.

pub(crate) mod audit;
mod audited;
pub(crate) mod backup;
pub(crate) mod client;
mod client_line;
mod client_options;
pub(crate) mod events;
pub(crate) mod group;
mod group_line;
pub(crate) mod identity;
mod identity_line;
mod import;
pub(crate) mod keys;
pub(crate) mod lock;
pub(crate) mod name;
pub(crate) mod openapi;
mod operator;
mod registry;
mod sessions;
mod target;

use std::io::Write as _;

use serde::Serialize;

use crate::CommandError;
pub(crate) use target::{Access, CommandTarget, OperatorStores, TargetArguments, announce_new};

/// The number of rows that a listing command reads per query. It bounds the memory of a command over millions of users.
const PAGE_SIZE: usize = 500;

/// Prints an object as one line on stdout.
fn print<T: Serialize>(object: &T) -> Result<(), CommandError> {
    let line = serde_json::to_string(object).map_err(CommandError::context("the result cannot be written"))?;
    print_line(&line)
}

fn print_line(line: &str) -> Result<(), CommandError> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        // The reader, such as `head`, has closed the pipe.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.map_err(CommandError::context("the result cannot be written")),
    }
}

/// Removes empty values, so that `--role ""` empties a list.
fn without_empty(values: Vec<String>) -> Vec<String> {
    values.into_iter().filter(|value| !value.is_empty()).collect()
}
