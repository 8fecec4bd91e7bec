//! Programs that a task needs and the toolchain has not: of one version each, kept outside the checkout.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

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
    /// Where the program is; installs it when it is not there in its version.
    pub(crate) fn ready(&self) -> anyhow::Result<PathBuf> {
        let Self { name, version } = self;
        let cache = cache("tools")?;
        let program = cache.join("bin").join(name);
        if self.is_at(&program) {
            return Ok(program);
        }
        println!("installing {name} {version} into {}, once", cache.display());
        let mut install = checkout::command("cargo");
        // Without `--force` a program that cargo has no record of, such as a copied one, is in the way.
        install.args(["install", name, "--version", version, "--locked", "--force", "--root"]);
        install.arg(&cache);
        checkout::must_succeed(install, &format!("{name} {version} could not be installed"))?;
        Ok(program)
    }

    fn is_at(&self, program: &PathBuf) -> bool {
        Command::new(program)
            .arg("--version")
            .output()
            .is_ok_and(|answer| answer.stdout.trim_ascii() == format!("{} {}", self.name, self.version).as_bytes())
    }
}

/// A folder outside the checkout, for what a task fetches once.
#[expect(clippy::disallowed_methods, reason = "the cache of a task is no setting of AuthMe")]
pub(crate) fn cache(folder: &str) -> anyhow::Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME says where programs may be kept")?;
    Ok(base.join("authme").join(folder))
}
