use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use adapter_crypto::KeyDirectory;
use adapter_sqlite::{SqliteSettings, Stores};

use crate::CommandError;

/// The folder that holds everything: the SQLite file, the signing keys, the secret keys. 0600 in 0700.
#[derive(Debug, Clone)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// Makes the folder when it is not there.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CommandError> {
        let path = path.into();
        let private = fs::Permissions::from_mode(0o700);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.and_then(|()| fs::set_permissions(&path, private))
            .map_err(|error| {
                CommandError::msg(format!(
                    "the data folder `{}` cannot be made private to its owner: {error}; choose another with --data",
                    path.display()
                ))
            })?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn keys(&self) -> KeyDirectory {
        KeyDirectory::new(self.0.join("keys"))
    }

    pub(crate) fn refresh_secret(&self) -> PathBuf {
        self.0.join("secrets").join("refresh.key")
    }

    pub(crate) fn codes_secret(&self) -> PathBuf {
        self.0.join("secrets").join("codes.key")
    }

    /// Where codes are written that no server takes.
    pub fn outgoing_codes(&self) -> PathBuf {
        self.0.join("outgoing-codes.jsonl")
    }

    /// The audit trail of the server and of the commands.
    pub fn audit(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }

    /// The stores, for `workers` threads that read at once.
    pub fn stores(&self, workers: usize) -> Result<Stores, CommandError> {
        let file = self.0.join("authme.sqlite");
        // SQLite gives its log and its index the mode of the file.
        let made = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&file);
        made.map_err(CommandError::context("the store cannot be made"))?;
        adapter_sqlite::open(&SqliteSettings { file, workers })
            .map_err(CommandError::context("the store cannot be opened"))
    }

    /// Held for as long as a server runs on this folder; a second one is refused.
    pub(crate) fn serve_lock(&self) -> Result<File, CommandError> {
        let path = self.0.join("serve.lock");
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = opened.map_err(CommandError::context("the data folder cannot be locked"))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(CommandError::msg(format!(
                "another `authme serve` runs on {}: stop it, or choose another folder with --data",
                self.0.display()
            ))),
            Err(TryLockError::Error(error)) => Err(CommandError::context("the data folder cannot be locked")(error)),
        }
    }
}
