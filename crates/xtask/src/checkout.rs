//! The checkout this task was built from, and cargo in it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// A program that runs at the root of the checkout.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    command
}

/// Runs to the end, output and all; `advice` is for whoever sees it fail.
pub(crate) fn must_succeed(mut command: Command, advice: &str) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{advice} ({status})");
    Ok(())
}
