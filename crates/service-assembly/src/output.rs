use std::io::Write as _;

use service_runtime::CommandError;

/// Writes a line to stdout.
pub(crate) fn print_line(line: &str) -> Result<(), CommandError> {
    writeln!(std::io::stdout().lock(), "{line}").map_err(CommandError::context("stdout cannot be written to"))
}
