//! The cache folder of the servers. Installed programs stay. The next start replaces data and logs.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn open() -> anyhow::Result<Self> {
        Self::at(cache_folder()?.join("authme/test-servers"))
    }

    fn at(path: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(path.join("logs")).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path })
    }

    /// Takes the lock for starting and stopping servers. Other tasks wait until the returned file is closed.
    pub(crate) fn lock(&self) -> anyhow::Result<File> {
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

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn log(&self, server: &str) -> PathBuf {
        self.path.join("logs").join(format!("{server}.log"))
    }

    /// Reads a record of the folder; `None` if there is none.
    pub(crate) fn read_record<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<Option<T>> {
        let file = self.path.join(name);
        match fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json)
                .map(Some)
                .with_context(|| format!("cannot parse {}", file.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// Replaces a record atomically.
    pub(crate) fn write_record(&self, name: &str, record: &impl Serialize) -> anyhow::Result<()> {
        let new = self.path.join(format!("{name}.new"));
        fs::write(&new, serde_json::to_vec_pretty(record)?)?;
        fs::rename(new, self.path.join(name)).context("cannot write the record of the started servers")
    }

    pub(crate) fn remove_record(&self, name: &str) -> anyhow::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("cannot remove the record of the started servers")
            }
            _ => Ok(()),
        }
    }
}

/// Returns the path of a folder outside the checkout, for programs that are installed once.
#[expect(clippy::disallowed_methods, reason = "the cache of tests is not an AuthMe setting")]
fn cache_folder() -> anyhow::Result<PathBuf> {
    let named = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    named
        .filter(|path| path.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME names a folder for programs")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::record::Record;

    const RECORD: &str = "stores.json";

    #[test]
    fn written_record_is_read_back() {
        let root = TempDir::new().unwrap();
        let folder = Folder::at(root.path().to_owned()).unwrap();
        let record: Record = serde_json::from_value(json!({
            "is_compose": false,
            "endpoints": [{ "server": "Kafka", "value": "127.0.0.1:1" }],
            "ports": { "KAFKA_PORT": 1, "KAFKA_CONTROLLER_PORT": 2 },
            "processes": { "kafka": { "pid": 6, "started_at": 7 } },
        }))
        .unwrap();
        assert!(folder.read_record::<Record>(RECORD).unwrap().is_none());
        for record in [record, Record::default()] {
            folder.write_record(RECORD, &record).unwrap();
            assert_eq!(folder.read_record(RECORD).unwrap(), Some(record));
        }
        folder.remove_record(RECORD).unwrap();
        assert!(folder.read_record::<Record>(RECORD).unwrap().is_none());
    }

    #[test]
    fn unreadable_record_returns_an_error() {
        let root = TempDir::new().unwrap();
        let folder = Folder::at(root.path().to_owned()).unwrap();
        fs::write(root.path().join(RECORD), "{").unwrap();
        assert!(folder.read_record::<Record>(RECORD).is_err());
    }
}
