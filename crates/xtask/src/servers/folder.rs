//! The cache folder of the servers. Installed programs stay. The next start replaces data and logs.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::state::State;
use crate::tools;

/// The file that records the started servers.
const STATE: &str = "state.json";

pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn open() -> anyhow::Result<Self> {
        Self::at(tools::cache_folder("servers")?)
    }

    fn at(path: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(path.join("logs")).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path })
    }

    /// Takes the lock for starting and stopping servers. Other tasks wait until the returned file is closed.
    pub(super) fn lock(&self) -> anyhow::Result<File> {
        let lock = File::create(self.path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another task that starts or stops the servers");
                lock.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        Ok(lock)
    }

    pub(super) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn log(&self, server: &str) -> PathBuf {
        self.path.join("logs").join(format!("{server}.log"))
    }

    /// Reads the record of the started servers; `None` if there is none.
    pub(super) fn read_state(&self) -> anyhow::Result<Option<State>> {
        self.read_record(STATE)
    }

    /// Reads a record of the folder; `None` if there is none.
    pub(super) fn read_record<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<Option<T>> {
        let file = self.join(name);
        match fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json)
                .map(Some)
                .with_context(|| format!("cannot parse {}", file.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// Replaces the record of the started servers atomically.
    pub(super) fn write_state(&self, state: &State) -> anyhow::Result<()> {
        self.write_record(STATE, state)
    }

    pub(super) fn write_record(&self, name: &str, state: &impl Serialize) -> anyhow::Result<()> {
        let new = self.join(format!("{name}.new"));
        fs::write(&new, serde_json::to_vec_pretty(state)?)?;
        fs::rename(new, self.join(name)).context("cannot write the record of the started servers")
    }

    pub(super) fn remove_state(&self) -> anyhow::Result<()> {
        self.remove_record(STATE)
    }

    pub(super) fn remove_record(&self, name: &str) -> anyhow::Result<()> {
        match fs::remove_file(self.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("cannot remove the record of the started servers")
            }
            _ => Ok(()),
        }
    }

    /// Returns the folder of a program, and installs the program the first time. `install_into` fills a folder with
    /// another name, which is renamed afterwards, so an interrupted installation is repeated.
    pub(super) fn install(
        &self,
        name: &str,
        install_into: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<PathBuf> {
        let installed = self.join(name);
        if !installed.exists() {
            let partial = self.join(format!("{name}.partial"));
            remove(&partial)?;
            eprintln!("installing {name} into {}, once", self.path.display());
            install_into(&partial).with_context(|| format!("{name} could not be installed"))?;
            fs::rename(partial, &installed)?;
        }
        Ok(installed)
    }
}

/// Removes a folder and its content, if it exists. Fails if a file system is mounted in it, because the removal would
/// delete the files of that file system.
pub(super) fn remove(folder: &Path) -> anyhow::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounted = mounts_in(&mounts, folder);
    ensure!(
        mounted.is_empty(),
        "{} is not removed, because something is mounted there: unmount {mounted:?} first",
        folder.display()
    );
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Returns the mount points in a folder, from the lines of proc(5) mounts, in which a space is `\040`.
fn mounts_in(mounts: &str, folder: &Path) -> Vec<PathBuf> {
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
    fn written_state_is_read_back() {
        let folder = folder("state");
        assert!(folder.read_state().unwrap().is_none());
        let state: State = serde_json::from_value(json!({
            "way": "registries",
            "ports": { "kafka": 1, "kafka_controller": 2, "postgresql": 3, "ferretdb": 4, "ferretdb_health": 5 },
            "kafka": null,
            "postgresql": { "pid": 6, "started_at": 7 },
            "ferretdb": { "pid": 8, "started_at": 9 },
        }))
        .unwrap();
        for state in [state, State::Compose] {
            folder.write_state(&state).unwrap();
            assert_eq!(folder.read_state().unwrap(), Some(state));
        }
        folder.remove_state().unwrap();
        assert!(folder.read_state().unwrap().is_none());
        remove(&folder.path).unwrap();
    }

    #[test]
    fn unreadable_record_returns_an_error() {
        let folder = folder("broken");
        fs::write(folder.join(STATE), "{").unwrap();
        assert!(folder.read_state().is_err());
        remove(&folder.path).unwrap();
    }

    #[test]
    fn interrupted_installation_is_repeated() {
        let folder = folder("install");
        let interrupted = folder.install("x-1", |into| {
            fs::create_dir(into)?;
            fs::write(into.join("half"), "")?;
            anyhow::bail!("interrupted")
        });
        assert!(interrupted.is_err());
        let whole = folder.install("x-1", |into| Ok(fs::create_dir(into)?)).unwrap();
        assert!(!whole.join("half").exists());
        folder.install("x-1", |_| unreachable!("it is installed")).unwrap();
        remove(&folder.path).unwrap();
    }

    #[test]
    fn mounts_in_a_folder_are_returned() {
        let mounts =
            "proc /proc proc rw 0 0\nudev /a\\040b/root/dev devtmpfs rw 0 0\nproc /a/rooted/proc proc rw 0 0\n";
        assert_eq!(mounts_in(mounts, Path::new("/a b/root")), [Path::new("/a b/root/dev")]);
        assert!(mounts_in(mounts, Path::new("/a/root")).is_empty());
    }
}
