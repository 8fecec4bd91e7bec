//! The checkout from which this crate was built.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Returns a command that runs at the root of the checkout.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    command
}

/// Runs a command that has to succeed; its output is shown. The error starts with `advice`.
pub fn must_succeed(mut command: Command, advice: &str) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{advice} ({status})");
    Ok(())
}

/// Runs a program that has to succeed, and returns its output.
pub fn run_for_output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {} {errors}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns cargo's target folder, from the place of this program: `<target>/<profile>/<program>`.
pub fn target() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).map(Path::to_owned);
    target.context("this program is in no target folder")
}
