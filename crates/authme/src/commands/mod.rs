//! The operator's commands: one object of JSON per line on stdout, words on stderr.

pub(crate) mod audit;
mod audited;
pub(crate) mod client;
pub(crate) mod events;
pub(crate) mod group;
pub(crate) mod identity;
mod identity_line;
mod import;
pub(crate) mod keys;
pub(crate) mod name;
pub(crate) mod openapi;
mod operator;
mod registry;
mod target;

use std::io::Write as _;

use serde::Serialize;

use crate::CommandError;
pub(crate) use target::{CommandTarget, OperatorStores, TargetArguments};

/// Rows read at a time by a command that lists.
const PAGE: usize = 500;

/// One object on a line of stdout.
fn print<T: Serialize>(object: &T) -> Result<(), CommandError> {
    let line = serde_json::to_string(object).map_err(CommandError::context("the answer cannot be written"))?;
    print_line(&line)
}

fn print_line(line: &str) -> Result<(), CommandError> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.map_err(CommandError::context("the answer cannot be written")),
    }
}

/// `values` without empty ones: `--role ""` empties a list.
fn without_empty(values: Vec<String>) -> Vec<String> {
    values.into_iter().filter(|value| !value.is_empty()).collect()
}
