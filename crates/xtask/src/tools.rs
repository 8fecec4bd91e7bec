//! Programs that a task needs and that are not part of the toolchain. Each has a pinned version and is kept outside the
//! checkout.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::checkout;

/// A program from crates.io.
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
}

pub(crate) const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.19.9",
};

impl Tool {
    /// Returns the path of the program. Installs the program first if it is missing or has another version.
    pub(crate) fn install(&self) -> anyhow::Result<PathBuf> {
        let Self { name, version } = self;
        let cache = cache_folder()?;
        let program = cache.join("bin").join(name);
        if self.is_installed_at(&program) {
            return Ok(program);
        }
        println!("installing {name} {version} into {}, once", cache.display());
        let mut install = checkout::command("cargo");
        // Without `--force` cargo does not replace a program that it did not install itself, such as a copied one.
        install.args(["install", name, "--version", version, "--locked", "--force", "--root"]);
        install.arg(&cache);
        let status = install.status().context("cargo cannot be started")?;
        ensure!(status.success(), "{name} {version} could not be installed ({status})");
        Ok(program)
    }

    fn is_installed_at(&self, program: &PathBuf) -> bool {
        Command::new(program)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.stdout.trim_ascii() == format!("{} {}", self.name, self.version).as_bytes())
    }
}

/// Returns the path of a folder outside the checkout, for programs that a task installs once.
#[expect(clippy::disallowed_methods, reason = "the cache of a task is not an AuthMe setting")]
fn cache_folder() -> anyhow::Result<PathBuf> {
    let named = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let folder = named
        .filter(|path| path.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(".cache")));
    let folder = folder.context("neither XDG_CACHE_HOME nor HOME names a folder for programs")?;
    Ok(folder.join("authme/tools"))
}
