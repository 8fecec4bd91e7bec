use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use adapter_crypto::KeyDirectory;
use adapter_sqlite::{EmbeddedStore, SqliteSettings};

use service_runtime::CommandError;

/// The folder of the SQLite file, the signing keys, the secrets and the audit trail. Files have mode 0600, folders
/// 0700.
#[derive(Debug, Clone)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// Opens the folder, and creates it if it does not exist. Sets its mode to 0700 in either case.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CommandError> {
        let path = path.into();
        let private = fs::Permissions::from_mode(0o700);
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        created
            .and_then(|()| fs::set_permissions(&path, private))
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

    pub fn keys(&self) -> KeyDirectory {
        KeyDirectory::new(self.0.join("keys"))
    }

    /// Returns the folder of the secrets.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }

    /// Returns the file for the codes of contact types that have no server.
    pub fn outgoing_codes(&self) -> PathBuf {
        self.0.join("outgoing-codes.jsonl")
    }

    /// Returns the file of the audit trail, which the server and the commands share.
    pub fn audit(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }

    /// Opens the store for `workers` threads that read in parallel.
    pub fn store(&self, workers: usize) -> Result<EmbeddedStore, CommandError> {
        let file = self.0.join("authme.sqlite");
        // SQLite gives the write-ahead log and its index the mode of the database file.
        let created = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&file);
        created.map_err(CommandError::context("the store cannot be created"))?;
        adapter_sqlite::open(&SqliteSettings { file, workers })
            .map_err(CommandError::context("the store cannot be opened"))
    }

    /// Locks the folder for one server, for as long as the returned file is open. The kernel releases the lock when the
    /// process dies. Fails immediately if another server holds it.
    pub fn serve_lock(&self) -> Result<File, CommandError> {
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
                "another `authme serve` uses {}: stop it, or choose another folder with --data",
                self.0.display()
            ))),
            Err(TryLockError::Error(error)) => Err(CommandError::context("the data folder cannot be locked")(error)),
        }
    }
}
