use std::fs;
use std::path::PathBuf;

use anyhow::ensure;
use test_servers::checkout;

/// The programs that are measured with SQLite, and the programs of the reference measurements. All are release builds.
pub(crate) struct Programs {
    pub(crate) authme: PathBuf,
    pub(crate) constant_handler: PathBuf,
    pub(crate) bare_operations: PathBuf,
}

/// The programs that are measured on real servers. All are release builds.
pub(crate) struct ServicePrograms {
    /// `authme` with the operator commands for a deployed store. It is not measured.
    pub(crate) operator: PathBuf,
    pub(crate) tokens: PathBuf,
    pub(crate) factors: PathBuf,
    pub(crate) credential_lock: PathBuf,
    pub(crate) follow_events: PathBuf,
}

impl Programs {
    pub(crate) fn build() -> anyhow::Result<Self> {
        for target in [
            ["-p", "authme", "--bin", "authme"],
            ["-p", "adapter-http", "--example", "constant_handler"],
            ["-p", "adapter-crypto", "--example", "bare_operations"],
        ] {
            build(&target)?;
        }
        let release = checkout::target()?.join("release");
        let programs = Self {
            authme: release.join("authme"),
            constant_handler: release.join("examples/constant_handler"),
            bare_operations: release.join("examples/bare_operations"),
        };
        ensure!(programs.authme.is_file(), "cargo built no authme");
        Ok(programs)
    }
}

impl ServicePrograms {
    /// Builds the programs. Replaces `authme` with a build that has another feature, so [`Programs::build`] must be
    /// called after this.
    pub(crate) fn build() -> anyhow::Result<Self> {
        let release = checkout::target()?.join("release");
        build(&["-p", "authme", "--bin", "authme", "--features", "mongodb"])?;
        let operator = release.join("authme-operator");
        fs::copy(release.join("authme"), &operator)?;
        build(&[
            "-p",
            "service-tokens",
            "-p",
            "service-factors",
            "-p",
            "service-credential-lock",
        ])?;
        build(&["-p", "adapter-kafka", "--example", "follow_events"])?;
        Ok(Self {
            operator,
            tokens: release.join("service-tokens"),
            factors: release.join("service-factors"),
            credential_lock: release.join("service-credential-lock"),
            follow_events: release.join("examples/follow_events"),
        })
    }
}

fn build(target: &[&str]) -> anyhow::Result<()> {
    let mut cargo = checkout::command("cargo");
    cargo.args(["build", "--release", "--locked", "--quiet"]).args(target);
    checkout::must_succeed(cargo, "the measured programs do not build")
}
