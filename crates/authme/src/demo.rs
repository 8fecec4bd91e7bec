use std::process::ExitCode;

use crate::Refusal;

pub(crate) fn run(_keep: bool) -> Result<ExitCode, Refusal> {
    Err(Refusal::because("not yet"))
}
