//! The cache folder of the servers: programs stay, data and logs go with the next start.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::state::State;
use crate::tools;

/// The file in which it is recorded what was started.
const STATE: &str = "state.json";

pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn open() -> anyhow::Result<Self> {
        Self::at(tools::cache("servers")?)
    }

    fn at(path: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(path.join("logs")).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path })
    }

    /// Until the value goes, other tasks that start or end servers wait.
    pub(super) fn lock(&self) -> anyhow::Result<File> {
        let lock = File::create(self.path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another task that starts or ends the servers");
                lock.lock()?;
            }
            Err(TryLockError::Error(failure)) => return Err(failure.into()),
        }
        Ok(lock)
    }

    pub(super) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn log(&self, server: &str) -> PathBuf {
        self.path.join("logs").join(format!("{server}.log"))
    }

    /// What is recorded; `None` when no server was started.
    pub(super) fn state(&self) -> anyhow::Result<Option<State>> {
        self.recorded(STATE)
    }

    /// What is recorded in a file of the folder; `None` when there is none.
    pub(super) fn recorded<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<Option<T>> {
        let file = self.join(name);
        match fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json)
                .map(Some)
                .with_context(|| format!("cannot understand {}", file.display())),
            Err(failure) if failure.kind() == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// Replaces what is recorded, at once.
    pub(super) fn record(&self, state: &State) -> anyhow::Result<()> {
        self.record_as(STATE, state)
    }

    pub(super) fn record_as(&self, name: &str, state: &impl Serialize) -> anyhow::Result<()> {
        let new = self.join(format!("{name}.new"));
        fs::write(&new, serde_json::to_vec_pretty(state)?)?;
        fs::rename(new, self.join(name)).context("cannot record what was started")
    }

    pub(super) fn forget(&self) -> anyhow::Result<()> {
        self.forget_as(STATE)
    }

    pub(super) fn forget_as(&self, name: &str) -> anyhow::Result<()> {
        match fs::remove_file(self.join(name)) {
            Err(failure) if failure.kind() != ErrorKind::NotFound => {
                Err(failure).context("cannot remove the record of what was started")
            }
            _ => Ok(()),
        }
    }

    /// Where a program is. Installs it the first time, into the folder that `install` is given; a folder of that name is
    /// whole, for it gets its name last.
    pub(super) fn installed(
        &self,
        name: &str,
        install: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<PathBuf> {
        let whole = self.join(name);
        if !whole.exists() {
            let partial = self.join(format!("{name}.partial"));
            remove(&partial)?;
            eprintln!("installing {name} into {}, once", self.path.display());
            install(&partial).with_context(|| format!("{name} could not be installed"))?;
            fs::rename(partial, &whole)?;
        }
        Ok(whole)
    }
}

/// Removes a folder and all in it, if it is there. Refuses when something is mounted in it: that would go too.
pub(super) fn remove(folder: &Path) -> anyhow::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounted = mounted_in(&mounts, folder);
    ensure!(
        mounted.is_empty(),
        "{} is not removed, because of what is mounted there: unmount {mounted:?} first",
        folder.display()
    );
    match fs::remove_dir_all(folder) {
        Err(failure) if failure.kind() != ErrorKind::NotFound => {
            Err(failure).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// In the lines of proc(5) mounts, where a space of a path is `\040`.
fn mounted_in(mounts: &str, folder: &Path) -> Vec<PathBuf> {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let points = points.map(|point| PathBuf::from(point.replace(r"\040", " ")));
    points.filter(|point| point.starts_with(folder)).collect()
}

#[cfg(test)]
mod tests {
    use std::process;

    use serde_json::json;

    use super::*;

    fn folder(name: &str) -> Folder {
        Folder::at(std::env::temp_dir().join(format!("authme-xtask-{}-{name}", process::id()))).unwrap()
    }

    #[test]
    fn what_is_recorded_is_read_again() {
        let folder = folder("state");
        assert!(folder.state().unwrap().is_none());
        let state: State = serde_json::from_value(json!({
            "way": "registries",
            "ports": { "kafka": 1, "kafka_controller": 2, "postgresql": 3, "ferretdb": 4, "ferretdb_health": 5 },
            "kafka": null,
            "postgresql": { "pid": 6, "started_at": 7 },
            "ferretdb": { "pid": 8, "started_at": 9 },
        }))
        .unwrap();
        for state in [state, State::Compose] {
            folder.record(&state).unwrap();
            assert_eq!(folder.state().unwrap(), Some(state));
        }
        folder.forget().unwrap();
        assert!(folder.state().unwrap().is_none());
        remove(&folder.path).unwrap();
    }

    #[test]
    fn a_record_that_cannot_be_read_is_no_empty_one() {
        let folder = folder("broken");
        fs::write(folder.join(STATE), "{").unwrap();
        assert!(folder.state().is_err());
        remove(&folder.path).unwrap();
    }

    #[test]
    fn an_interrupted_installation_is_done_again() {
        let folder = folder("install");
        let interrupted = folder.installed("x-1", |into| {
            fs::create_dir(into)?;
            fs::write(into.join("half"), "")?;
            anyhow::bail!("interrupted")
        });
        assert!(interrupted.is_err());
        let whole = folder.installed("x-1", |into| Ok(fs::create_dir(into)?)).unwrap();
        assert!(!whole.join("half").exists());
        folder.installed("x-1", |_| unreachable!("it is installed")).unwrap();
        remove(&folder.path).unwrap();
    }

    #[test]
    fn a_mount_in_a_folder_is_seen() {
        let mounts =
            "proc /proc proc rw 0 0\nudev /a\\040b/root/dev devtmpfs rw 0 0\nproc /a/rooted/proc proc rw 0 0\n";
        assert_eq!(mounted_in(mounts, Path::new("/a b/root")), [Path::new("/a b/root/dev")]);
        assert!(mounted_in(mounts, Path::new("/a/root")).is_empty());
    }
}
