//! The checkout from which this task was built.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// Returns a command that runs at the root of the checkout.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    command
}

/// Runs a command that has to succeed; its output is shown. The error starts with `advice`.
pub(crate) fn must_succeed(mut command: Command, advice: &str) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{advice} ({status})");
    Ok(())
}

/// Returns cargo's target folder.
pub(crate) fn target() -> anyhow::Result<std::path::PathBuf> {
    let mut cargo = command("cargo");
    let output = cargo
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .output()?;
    ensure!(output.status.success(), "cargo metadata failed");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let target = metadata.get("target_directory").and_then(serde_json::Value::as_str);
    target.map(Into::into).context("cargo metadata names no target folder")
}
