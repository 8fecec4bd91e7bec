//! Backups of a data folder, and their restore.
//!
//! A backup is a folder with the store, the keys and the secrets, and a manifest that makes it a backup: no server and no
//! command opens it as a data folder. A restore copies it into an empty folder and raises the base of the store
//! (`adapter_sqlite::raise_base`), because the store goes back in time.
//!
//! Both are lists of steps that end with one rename or one removal. A process that dies after any step leaves either
//! nothing under the final name, or a folder that nothing opens, and the same command starts from the beginning.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use adapter_crypto::write_private;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use service_runtime::CommandError;
use zeroize::Zeroizing;

use crate::data_folder::{
    DataFolder, KEYS, MANIFEST, RESTORING, SECRETS, STORE, create_private_file, create_private_folder, names_in, sync,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    created_at: Timestamp,
    /// The version of AuthMe that made the backup, for a person who has to find that version.
    version: String,
}

/// A step of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupStep {
    /// Copies the store, as it is at one moment.
    Store,
    /// Copies the keys.
    Keys,
    /// Copies the secrets.
    Secrets,
    /// Writes the manifest.
    Manifest,
    /// Gives the backup its final name.
    Rename,
}

/// A backup in the making.
#[derive(Debug)]
pub struct Backup {
    data: DataFolder,
    target: PathBuf,
    /// The folder next to the target that becomes the target.
    draft: PathBuf,
    /// Locked, so that a second backup to the same name fails. The kernel releases the lock when the process dies.
    _lock: File,
}

impl Backup {
    /// The steps, in order.
    pub const STEPS: [BackupStep; 5] = [
        BackupStep::Store,
        BackupStep::Keys,
        BackupStep::Secrets,
        BackupStep::Manifest,
        BackupStep::Rename,
    ];

    /// Prepares a backup into a folder that does not exist or is empty. Removes what an interrupted backup to the same
    /// name left.
    pub fn start(data: &DataFolder, target: &Path) -> Result<Self, CommandError> {
        if !names_in(target)?.is_empty() {
            return Err(CommandError::msg(format!(
                "`{}` exists and is not empty: choose a new name for the backup",
                target.display()
            )));
        }
        let mut draft = OsString::from(target.components().as_path());
        draft.push(".partial");
        let draft = PathBuf::from(draft);
        create_private_folder(&draft).map_err(not_written)?;
        let lock = lock_folder(&draft)?;
        empty(&draft).map_err(not_written)?;
        Ok(Self {
            data: data.clone(),
            target: target.to_owned(),
            draft,
            _lock: lock,
        })
    }

    /// Runs a step. What it writes is on disk when it returns.
    pub fn run_step(&self, step: BackupStep, now: Timestamp) -> Result<(), CommandError> {
        match step {
            BackupStep::Store => {
                let copy = self.draft.join(STORE);
                let file = create_private_file(&copy).map_err(not_written)?;
                adapter_sqlite::back_up(&self.data.store_file(), &copy).map_err(not_written)?;
                file.sync_all().map_err(not_written)?;
                adapter_sqlite::check(&copy).map_err(not_written)
            }
            BackupStep::Keys => self.data.keys().copy_to(&self.draft.join(KEYS)).map_err(not_written),
            BackupStep::Secrets => copy_secrets(self.data.path(), &self.draft).map_err(not_written),
            BackupStep::Manifest => {
                let manifest = Manifest {
                    created_at: now,
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                };
                let text = serde_json::to_vec_pretty(&manifest).map_err(not_written)?;
                write_private(&self.draft.join(MANIFEST), &text).map_err(not_written)
            }
            BackupStep::Rename => {
                let renamed = fs::rename(&self.draft, &self.target);
                renamed
                    .and_then(|()| sync(parent(&self.target)))
                    .map_err(CommandError::context("the backup cannot be given its name"))
            }
        }
    }
}

/// A step of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreStep {
    /// Copies the store, and checks it.
    Store,
    /// Raises the base of the copy.
    Raise,
    /// Copies the keys.
    Keys,
    /// Copies the secrets.
    Secrets,
    /// Moves the copies to their places.
    Move,
    /// Makes the folder a data folder.
    Finish,
}

/// A restore in the making.
#[derive(Debug)]
pub struct Restore {
    backup: PathBuf,
    target: PathBuf,
    draft: PathBuf,
    manifest: Manifest,
    is_as_it_was: bool,
    /// Locked, so that a second restore into the same folder fails.
    _lock: File,
}

impl Restore {
    /// The steps, in order.
    pub const STEPS: [RestoreStep; 6] = [
        RestoreStep::Store,
        RestoreStep::Raise,
        RestoreStep::Keys,
        RestoreStep::Secrets,
        RestoreStep::Move,
        RestoreStep::Finish,
    ];

    /// Prepares the restore of a backup into a folder that does not exist, is empty, or has an interrupted restore, whose
    /// files are removed. With `is_as_it_was` the base is not raised.
    pub fn start(backup: &Path, target: &Path, is_as_it_was: bool) -> Result<Self, CommandError> {
        let manifest = read_manifest(backup)?;
        let names = names_in(target)?;
        if !names.is_empty() && names.iter().all(|name| name != RESTORING) {
            return Err(CommandError::msg(format!(
                "`{}` is not empty, and a restore replaces nothing: name a new folder with --data",
                target.display()
            )));
        }
        let draft = target.join(RESTORING);
        create_private_folder(target).map_err(not_restored)?;
        create_private_folder(&draft).map_err(not_restored)?;
        let lock = lock_folder(&draft)?;
        sync(target).map_err(not_restored)?;
        empty(&draft).map_err(not_restored)?;
        for name in [STORE, KEYS, SECRETS] {
            remove(&target.join(name)).map_err(not_restored)?;
        }
        Ok(Self {
            backup: backup.to_owned(),
            target: target.to_owned(),
            draft,
            manifest,
            is_as_it_was,
            _lock: lock,
        })
    }

    /// Returns the time of the backup.
    pub fn created_at(&self) -> Timestamp {
        self.manifest.created_at
    }

    /// Runs a step. What it writes is on disk when it returns. Returns the new base from [`RestoreStep::Raise`].
    pub fn run_step(&self, step: RestoreStep, now: Timestamp) -> Result<Option<u64>, CommandError> {
        match step {
            RestoreStep::Store => {
                let copy = self.draft.join(STORE);
                copy_file(&self.backup.join(STORE), &copy)
                    .map_err(CommandError::context("the store cannot be copied"))?;
                adapter_sqlite::check(&copy).map_err(CommandError::context("the backup cannot be restored"))?;
            }
            RestoreStep::Raise if self.is_as_it_was => {}
            RestoreStep::Raise if now < self.manifest.created_at => {
                return Err(CommandError::msg(format!(
                    "the clock of this machine is before {}, the time of the backup: correct it, because the new epochs \
                     come from it",
                    self.manifest.created_at
                )));
            }
            RestoreStep::Raise => {
                let raised = adapter_sqlite::raise_base(&self.draft.join(STORE), now);
                return raised
                    .map(Some)
                    .map_err(CommandError::context("the epochs cannot be raised"));
            }
            RestoreStep::Keys => {
                let copied = copy_folder(&self.backup.join(KEYS), &self.draft.join(KEYS), &["pem", "json"]);
                copied.map_err(not_restored)?;
            }
            RestoreStep::Secrets => copy_secrets(&self.backup, &self.draft).map_err(not_restored)?,
            RestoreStep::Move => {
                for name in [SECRETS, KEYS, STORE] {
                    fs::rename(self.draft.join(name), self.target.join(name)).map_err(not_restored)?;
                }
                sync(&self.target).map_err(not_restored)?;
            }
            RestoreStep::Finish => {
                fs::remove_dir(&self.draft).map_err(not_restored)?;
                sync(&self.target).map_err(not_restored)?;
                sync(parent(&self.target)).map_err(not_restored)?;
            }
        }
        Ok(None)
    }
}

fn not_written<E: Into<Box<dyn Error + Send + Sync>>>(error: E) -> CommandError {
    CommandError::context("the backup cannot be written")(error)
}

fn not_restored<E: Into<Box<dyn Error + Send + Sync>>>(error: E) -> CommandError {
    CommandError::context("the data folder cannot be restored")(error)
}

fn read_manifest(backup: &Path) -> Result<Manifest, CommandError> {
    let shown = backup.display();
    let text = fs::read(backup.join(MANIFEST)).map_err(|error| {
        CommandError::msg(format!(
            "`{shown}` is not a backup, or cannot be read ({MANIFEST}: {error}): name a folder that `authme backup` wrote"
        ))
    })?;
    serde_json::from_slice(&text).map_err(|_| CommandError::msg(format!("`{MANIFEST}` of `{shown}` cannot be read")))
}

fn lock_folder(folder: &Path) -> Result<File, CommandError> {
    let failed = || CommandError::context("the folder cannot be locked");
    let file = File::open(folder).map_err(failed())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CommandError::msg(format!(
            "another process is writing `{}`: wait for its end",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed()(error)),
    }
}

/// Copies the files of a folder that have one of the extensions. Drafts of other processes have none of them.
fn copy_folder(from: &Path, to: &Path, extensions: &[&str]) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        if extensions.contains(&extension) {
            let content = Zeroizing::new(fs::read(&path)?);
            write_private(&to.join(path.file_name().unwrap_or_default()), &content)?;
        }
    }
    Ok(())
}

/// Copies the secrets of a folder. A backup may be on a file system that has no modes, so they are not checked.
fn copy_secrets(from: &Path, to: &Path) -> io::Result<()> {
    copy_folder(&from.join(SECRETS), &to.join(SECRETS), &["key"])
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut copy = create_private_file(to)?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    copy.sync_all()
}

/// Removes everything in a folder.
fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        remove(&entry?.path())?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use domain::credential_lock::CredentialLock;
    use domain::ids::UserId;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn data_folder(folder: &Path) -> DataFolder {
        DataFolder::open_or_create(folder.join("data"), now()).unwrap()
    }

    fn back_up(data: &DataFolder, target: &Path) {
        let backup = Backup::start(data, target).unwrap();
        for step in Backup::STEPS {
            backup.run_step(step, now()).unwrap();
        }
    }

    fn run_restore(backup: &Path, target: &Path, steps: usize, is_as_it_was: bool) -> Option<u64> {
        let restore = Restore::start(backup, target, is_as_it_was).unwrap();
        let mut base = None;
        for step in Restore::STEPS.into_iter().take(steps) {
            base = restore.run_step(step, now()).unwrap().or(base);
        }
        base
    }

    fn sorted_names(folder: &Path) -> Vec<String> {
        let mut names = names_in(folder).unwrap();
        names.sort();
        names
    }

    #[test]
    fn an_interrupted_backup_has_no_final_name_and_can_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let data = data_folder(folder.path());
        for steps in 0..Backup::STEPS.len() {
            let target = folder.path().join(format!("backup-{steps}"));
            let interrupted = Backup::start(&data, &target).unwrap();
            for step in Backup::STEPS.into_iter().take(steps) {
                interrupted.run_step(step, now()).unwrap();
            }
            drop(interrupted);
            assert!(!target.exists(), "after {steps} steps");
            back_up(&data, &target);
            assert_eq!(sorted_names(&target), [STORE, MANIFEST, KEYS, SECRETS]);
            assert!(!folder.path().join(format!("backup-{steps}.partial")).exists());
            run_restore(
                &target,
                &folder.path().join(format!("restored-{steps}")),
                Restore::STEPS.len(),
                false,
            );
        }
    }

    #[test]
    fn an_interrupted_restore_is_not_opened_and_can_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let (data, backup) = (data_folder(folder.path()), folder.path().join("backup"));
        back_up(&data, &backup);
        for steps in 0..Restore::STEPS.len() {
            let target = folder.path().join(format!("restored-{steps}"));
            run_restore(&backup, &target, steps, false);
            for error in [
                DataFolder::open(&target).unwrap_err(),
                DataFolder::open_or_create(&target, now()).unwrap_err(),
                DataFolder::open_for_keys(&target)
                    .and_then(|_| DataFolder::open(&target))
                    .unwrap_err(),
            ] {
                assert!(error.report().contains("restore"), "{error:?}");
            }
            let base = run_restore(&backup, &target, Restore::STEPS.len(), false);
            assert_eq!(base, Some(1_800_000_000_000_000));
            let restored = DataFolder::open(&target).unwrap();
            assert!(!restored.is_new());
            assert_eq!(restored.keys().list().unwrap(), data.keys().list().unwrap());
            assert_eq!(sorted_names(&target), [STORE, KEYS, SECRETS]);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_restore_raises_the_epochs_of_known_and_unknown_users() {
        let folder = tempfile::tempdir().unwrap();
        let (data, backup) = (data_folder(folder.path()), folder.path().join("backup"));
        let (known, unknown) = (UserId::parse("known").unwrap(), UserId::parse("unknown").unwrap());
        let lock = CredentialLock {
            epoch: 3,
            is_locked: true,
            ..CredentialLock::never_locked(known.clone())
        };
        let stores = data.store(1).unwrap().stores;
        stores
            .credential_locks
            .save_if_version(&lock, Vec::new())
            .await
            .unwrap();
        stores.upkeep.close().await;
        back_up(&data, &backup);
        for (is_as_it_was, known_epoch, unknown_epoch) in
            [(true, 3, 0), (false, 1_800_000_000_000_000, 1_800_000_000_000_000)]
        {
            let target = folder.path().join(format!("restored-{is_as_it_was}"));
            run_restore(&backup, &target, Restore::STEPS.len(), is_as_it_was);
            let stores = DataFolder::open(&target).unwrap().store(1).unwrap().stores;
            for (user, epoch, is_locked) in [(&known, known_epoch, true), (&unknown, unknown_epoch, false)] {
                let status = stores.lock_statuses.read_linearizable(user).await.unwrap();
                assert_eq!((status.epoch, status.is_locked), (epoch, is_locked), "{user}");
                let found = stores.credential_locks.read_linearizable(user).await.unwrap();
                assert_eq!(found.map_or(0, |lock| lock.epoch), epoch, "{user}");
            }
        }
    }

    #[test]
    fn a_restore_of_a_restored_store_raises_the_base_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut source = data_folder(folder.path());
        let mut last = 0;
        for round in 0..3 {
            let backup = folder.path().join(format!("backup-{round}"));
            back_up(&source, &backup);
            let target = folder.path().join(format!("restored-{round}"));
            // The clock stands still.
            let base = run_restore(&backup, &target, Restore::STEPS.len(), false).unwrap();
            assert!(base > last);
            last = base;
            source = DataFolder::open(&target).unwrap();
        }
    }

    #[test]
    fn nothing_is_overwritten_and_backups_are_not_served() {
        let folder = tempfile::tempdir().unwrap();
        let (data, backup) = (data_folder(folder.path()), folder.path().join("backup"));
        back_up(&data, &backup);
        let again = Backup::start(&data, &backup).unwrap_err();
        assert!(again.report().contains("not empty"), "{again:?}");
        let over = Restore::start(&backup, data.path(), false).unwrap_err();
        assert!(over.report().contains("replaces nothing"), "{over:?}");
        let served = DataFolder::open_or_create(&backup, now()).unwrap_err();
        assert!(served.report().contains("is a backup"), "{served:?}");
        let no_backup = Restore::start(data.path(), &folder.path().join("new"), false).unwrap_err();
        assert!(no_backup.report().contains("is not a backup"), "{no_backup:?}");
        assert!(!folder.path().join("new").exists());
        let early = Restore::start(&backup, &folder.path().join("new"), false).unwrap();
        early.run_step(RestoreStep::Store, now()).unwrap();
        let early = early.run_step(RestoreStep::Raise, Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(early.report().contains("clock"), "{early:?}");
        let modes = [STORE, MANIFEST, KEYS, SECRETS].map(|name| {
            let metadata = fs::metadata(backup.join(name)).unwrap();
            metadata.permissions().mode() & 0o777
        });
        assert_eq!(modes, [0o600, 0o600, 0o700, 0o700]);
    }

    #[test]
    fn a_damaged_backup_is_not_restored() {
        let folder = tempfile::tempdir().unwrap();
        let (data, backup) = (data_folder(folder.path()), folder.path().join("backup"));
        back_up(&data, &backup);
        let file = fs::OpenOptions::new().write(true).open(backup.join(STORE)).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        let restore = Restore::start(&backup, &folder.path().join("new"), false).unwrap();
        assert!(restore.run_step(RestoreStep::Store, now()).is_err());
    }
}
