use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use adapter_crypto::KeyDirectory;
use adapter_sqlite::{EmbeddedStore, SqliteSettings};
use domain::time::Timestamp;
use service_runtime::CommandError;

/// The SQLite file.
pub(crate) const STORE: &str = "authme.sqlite";
/// The folder of the signing keys, and the file in it that lists them.
pub(crate) const KEYS: &str = "keys";
const KEYS_MANIFEST: &str = "manifest.json";
/// The folder of the secrets, and the names of those that every data folder has.
pub(crate) const SECRETS: &str = "secrets";
const REQUIRED_SECRETS: [&str; 2] = ["refresh", "codes"];

/// The file that makes a folder a backup, which is not a data folder.
pub(crate) const MANIFEST: &str = "backup.json";

/// The folder in a data folder that exists while a restore copies into it.
pub(crate) const RESTORING: &str = "restoring";

/// The file that exists while a new folder gets its parts. A process that dies meanwhile leaves it, and the next one
/// continues.
const CREATING: &str = "creating";

/// The entries of a folder that counts as empty: a file system's own folder, and the lock of a server.
const IGNORED: [&str; 2] = ["lost+found", "serve.lock"];

/// The folder of the SQLite file, the signing keys, the secrets and the audit trail.
///
/// Files have mode 0600 and folders 0700, except the folder itself if it existed before: it may be the root of a volume
/// that belongs to another user.
#[derive(Debug, Clone)]
pub struct DataFolder {
    path: PathBuf,
    is_new: bool,
}

/// The content of a path.
enum Content {
    /// Nothing, or a folder whose creation was interrupted.
    None,
    DataFolder,
}

impl DataFolder {
    /// Opens an existing folder. Fails if it does not exist, is empty, or lacks a part.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CommandError> {
        let path = path.into();
        match inspect(&path)? {
            Content::DataFolder => Ok(Self { path, is_new: false }),
            Content::None => Err(CommandError::msg(format!(
                "there is no data folder at `{}`: name another with --data. `authme serve` and the commands that write \
                 create it",
                path.display()
            ))),
        }
    }

    /// Opens the folder. If it does not exist or is empty, creates the store, a first signing key that signs from `now`,
    /// and the secrets. Fails if the folder has some of its parts, but not all: new ones would silently invalidate every
    /// token, or lose every user.
    pub fn open_or_create(path: impl Into<PathBuf>, now: Timestamp) -> Result<Self, CommandError> {
        let path = path.into();
        match inspect(&path)? {
            Content::DataFolder => Ok(Self { path, is_new: false }),
            Content::None => Self::create(path, Some(now)),
        }
    }

    /// Opens the folder for a command on its keys. If it does not exist or is empty, creates the store and the secrets.
    /// Otherwise the folder may lack any part: a deployment keeps its keys in a folder without a store, and a lost key is
    /// replaced by this command.
    pub fn open_for_keys(path: impl Into<PathBuf>) -> Result<Self, CommandError> {
        let path = path.into();
        match inspect(&path) {
            Ok(Content::None) => Self::create(path, None),
            _ => Ok(Self { path, is_new: false }),
        }
    }

    /// Returns the folder without a check, for its keys and its audit trail.
    pub fn unchecked(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            is_new: false,
        }
    }

    /// Creates the parts that are missing. The order does not matter, because [`CREATING`] is removed last.
    fn create(path: PathBuf, first_key_from: Option<Timestamp>) -> Result<Self, CommandError> {
        let failed = |error: io::Error| {
            CommandError::msg(format!(
                "the data folder `{}` cannot be written: {error}; choose another with --data",
                path.display()
            ))
        };
        create_private_folder(&path).map_err(failed)?;
        let marker = path.join(CREATING);
        create_private_file(&marker).map_err(failed)?;
        let folder = Self { path, is_new: true };
        create_private_file(&folder.store_file()).map_err(CommandError::context("the store cannot be created"))?;
        adapter_sqlite::create(&folder.store_file()).map_err(CommandError::context("the store cannot be created"))?;
        for name in REQUIRED_SECRETS {
            let created = adapter_crypto::read_or_create_secret(&folder.secret(name));
            created.map_err(CommandError::context("a secret cannot be created"))?;
        }
        if let Some(now) = first_key_from {
            let created = folder.keys().ensure_key(now);
            created.map_err(CommandError::context("the first signing key cannot be created"))?;
        }
        // Another process may have created the folder at the same time, and completed it first.
        let removed = match fs::remove_file(marker) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        removed
            .and_then(|()| sync(folder.path()))
            .map_err(CommandError::context("the data folder cannot be completed"))?;
        Ok(folder)
    }

    /// Returns whether this process has created the folder.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn keys(&self) -> KeyDirectory {
        KeyDirectory::new(self.path.join(KEYS))
    }

    pub(crate) fn store_file(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Returns the folder of the secrets.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.path.join(SECRETS)
    }

    fn secret(&self, name: &str) -> PathBuf {
        self.secrets().join(name).with_extension("key")
    }

    /// Returns the file for the codes of contact types that have no server.
    pub fn outgoing_codes(&self) -> PathBuf {
        self.path.join("outgoing-codes.jsonl")
    }

    /// Returns the file of the audit trail, which the server and the commands share.
    pub fn audit(&self) -> PathBuf {
        self.path.join("audit.jsonl")
    }

    /// Opens the store for `workers` threads that read in parallel.
    pub fn store(&self, workers: usize) -> Result<EmbeddedStore, CommandError> {
        let file = self.store_file();
        adapter_sqlite::open(&SqliteSettings { file, workers })
            .map_err(CommandError::context("the store cannot be opened"))
    }

    /// Locks the folder for one server, for as long as the returned file is open. The kernel releases the lock when the
    /// process dies. Fails immediately if another server holds it.
    pub fn serve_lock(&self) -> Result<File, CommandError> {
        let opened = create_private_file(&self.path.join("serve.lock"));
        let file = opened.map_err(CommandError::context("the data folder cannot be locked"))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(CommandError::msg(format!(
                "another `authme serve` uses {}: stop it, or choose another folder with --data",
                self.path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(CommandError::context("the data folder cannot be locked")(error)),
        }
    }
}

/// Creates a folder with mode 0700. An existing one keeps its mode.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file for writing, and creates it with mode 0600. SQLite gives the write-ahead log and its index the mode of
/// the store.
pub(crate) fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Puts the names in a folder on disk.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Returns the names in a folder, except those that do not count; none if it does not exist.
pub(crate) fn names_in(path: &Path) -> Result<Vec<String>, CommandError> {
    let failed = |error: io::Error| {
        let path = path.display();
        CommandError::msg(match error.kind() {
            io::ErrorKind::NotADirectory => {
                format!("`{path}` is a file, not a data folder: choose another with --data")
            }
            _ => format!("the data folder `{path}` cannot be read: {error}; choose another with --data"),
        })
    };
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if !IGNORED.contains(&name.as_str()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Returns what is at a path. Fails with advice if it is neither a whole data folder nor an empty one.
fn inspect(path: &Path) -> Result<Content, CommandError> {
    let names = names_in(path)?;
    let has = |name: &str| names.iter().any(|found| found == name);
    let shown = path.display();
    if names.is_empty() || has(CREATING) {
        return Ok(Content::None);
    }
    if has(RESTORING) {
        return Err(CommandError::msg(format!(
            "`{shown}` is being restored, or a restore of it was interrupted: run `authme restore` again"
        )));
    }
    if has(MANIFEST) {
        return Err(CommandError::msg(format!(
            "`{shown}` is a backup: `authme restore {shown}` makes a data folder of it"
        )));
    }
    if !(has(STORE) || has(KEYS) || has(SECRETS)) {
        return Err(CommandError::msg(format!(
            "`{shown}` is neither empty nor a data folder: choose another with --data"
        )));
    }
    match missing_part(path) {
        None => Ok(Content::DataFolder),
        Some(advice) => Err(CommandError::msg(format!("the data folder `{shown}` has {advice}"))),
    }
}

/// Returns what a folder lacks, and what to do.
fn missing_part(path: &Path) -> Option<String> {
    if fs::metadata(path.join(STORE)).map_or(0, |file| file.len()) == 0 {
        return Some(format!(
            "keys or secrets, but no store (`{STORE}`): put the file back, or restore a backup into an empty folder; to begin \
             without any data, choose an empty folder"
        ));
    }
    if !path.join(KEYS).join(KEYS_MANIFEST).exists() {
        return Some(format!(
            "a store, but no signing keys (`{KEYS}/{KEYS_MANIFEST}`): put `{KEYS}` back from a backup. If it is lost, \
             `authme keys generate` creates a key, and every access token in use becomes invalid"
        ));
    }
    let missing = REQUIRED_SECRETS.into_iter().find(|name| {
        let secret = path.join(SECRETS).join(name).with_extension("key");
        !secret.exists()
    })?;
    let consequence = if missing == "refresh" {
        "every session ends"
    } else {
        "every one-time code in use becomes invalid"
    };
    Some(format!(
        "a store, but no `{SECRETS}/{missing}.key`: put it back from a backup. If it is lost, write 64 hexadecimal digits \
         (`openssl rand -hex 32`) into it, with mode 0600, and {consequence}"
    ))
}
