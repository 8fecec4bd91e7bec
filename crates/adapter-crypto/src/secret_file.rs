use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use ports::Randomness as _;
use rustix::fs::{StatVfsMountFlags, fstatvfs};
use zeroize::Zeroizing;

use crate::SystemRandomness;

/// An error while reading or creating a secret file. No variant has content of the file.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("`{path}` cannot be read or written")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error(
        "`{path}` has mode {mode:04o}, so users other than its owner can read or change the secret: set it to 0600. \
         On a read-only mount the group may read it: mount a Kubernetes secret with `defaultMode: 0440` and an `fsGroup`"
    )]
    Shared { path: String, mode: u32 },
    #[error("`{path}` has no usable secret: lines of 64 hexadecimal digits are expected")]
    Malformed { path: String },
    #[error("`{path}` is empty: a line of text is expected")]
    Empty { path: String },
}

impl SecretFileError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.display().to_string(),
            source,
        }
    }
}

/// Fails if users other than the owner can read or change a secret file. Used for files that a library opens itself.
pub fn require_private(path: &Path) -> Result<(), SecretFileError> {
    open_private(path).map(drop)
}

/// Reads the whole text of a secret file. Fails if users other than the owner can read or change it.
pub fn read_private(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let mut file = open_private(path)?;
    let io = |source| SecretFileError::io(path, source);
    let length = file.metadata().map_err(io)?.len();
    // Allocated once: a string that grows leaves copies of the secret in freed memory.
    let capacity = usize::try_from(length).unwrap_or_default().saturating_add(1);
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    file.read_to_string(&mut text).map_err(io)?;
    Ok(text)
}

fn open_private(path: &Path) -> Result<File, SecretFileError> {
    let io = |source| SecretFileError::io(path, source);
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o7777;
    let mount = fstatvfs(&file).map_err(|error| io(error.into()))?;
    if is_private(mode, mount.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        Ok(file)
    } else {
        Err(SecretFileError::Shared {
            path: path.display().to_string(),
            mode,
        })
    }
}

/// Returns whether only the owner can read and change a file of this mode.
///
/// On a read-only mount the group may also read. Kubernetes mounts secrets as files owned by root, and the process
/// reads them as a member of the pod's `fsGroup`, which has no other members. A file on such a mount cannot be changed.
const fn is_private(mode: u32, is_on_read_only_mount: bool) -> bool {
    let forbidden = if is_on_read_only_mount { 0o037 } else { 0o077 };
    mode & forbidden == 0
}

/// Reads a password, or a URI that contains one, from a secret file and trims white space.
pub fn read_secret_text(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let text = read_private(path)?;
    match text.trim() {
        "" => Err(SecretFileError::Empty {
            path: path.display().to_string(),
        }),
        secret => Ok(Zeroizing::new(secret.to_owned())),
    }
}

/// Reads the secrets of a file: 64 hexadecimal digits a line. The first secret is the one in use.
pub fn read_secret(path: &Path) -> Result<Vec<Zeroizing<[u8; 32]>>, SecretFileError> {
    let text = read_private(path)?;
    let secrets: Option<Vec<_>> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| domain::hex::decode(line).map(Zeroizing::new))
        .collect();
    secrets
        .filter(|secrets| !secrets.is_empty())
        .ok_or_else(|| SecretFileError::Malformed {
            path: path.display().to_string(),
        })
}

/// Reads the secrets like [`read_secret`]. If the file does not exist, it is created with a random secret and mode
/// 0600.
pub fn read_or_create_secret(path: &Path) -> Result<Vec<Zeroizing<[u8; 32]>>, SecretFileError> {
    match read_secret(path) {
        Err(SecretFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let secret = Zeroizing::new(SystemRandomness.secret());
            let line = Zeroizing::new(format!("{}\n", domain::hex::encode(&*secret)));
            write_private(path, line.as_bytes()).map_err(|source| SecretFileError::io(path, source))?;
            // Another process may have created the file at the same time. The secret in the file counts.
            read_secret(path)
        }
        read => read,
    }
}

/// Writes or replaces a file atomically, with mode 0600. Creates its folder with mode 0700 if it does not exist. The
/// content is on disk when this returns.
///
/// The content is written and synced under a random name, which is then renamed. A reader, or a crash at any point,
/// thus finds the old file or the new file, never a part. The folder is synced last, because the rename changes it.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = path.with_extension(format!("draft-{}", domain::hex::encode(&SystemRandomness.nonce())));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&draft, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&draft);
    }
    renamed?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reader_rejects_a_file_that_is_not_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refresh.key");
        write_private(&path, "5e".repeat(32).as_bytes()).unwrap();
        let set_mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let read_all = || {
            [
                require_private(&path),
                read_secret(&path).map(drop),
                read_secret_text(&path).map(drop),
                read_or_create_secret(&path).map(drop),
            ]
        };
        for mode in [0o600, 0o400] {
            set_mode(mode);
            assert!(read_all().iter().all(Result::is_ok), "{mode:o}");
        }
        for mode in [0o640, 0o604, 0o620, 0o602, 0o644, 0o440] {
            set_mode(mode);
            for result in read_all() {
                let message = result.unwrap_err().to_string();
                assert!(
                    message.contains(&format!("{mode:04o}")) && message.contains("`defaultMode: 0440`"),
                    "{message}"
                );
            }
        }
    }

    #[test]
    fn on_a_read_only_mount_the_group_may_also_read() {
        for (mode, expected) in [
            (0o440, true),
            (0o400, true),
            (0o444, false),
            (0o460, false),
            (0o644, false),
        ] {
            assert_eq!(is_private(mode, true), expected, "{mode:o}");
        }
        assert!(!is_private(0o440, false));
    }

    #[test]
    fn a_secret_is_created_once_with_mode_0600() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets/refresh.key");
        let created = read_or_create_secret(&path).unwrap();
        assert_eq!(read_or_create_secret(&path).unwrap(), created);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn the_error_of_a_malformed_file_hides_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refresh.key");
        write_private(&path, b"hunter2").unwrap();
        let error = read_or_create_secret(&path).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn read_secret_text_trims_and_never_creates() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        assert!(matches!(read_secret_text(&path), Err(SecretFileError::Io { .. })));
        assert!(matches!(read_secret(&path), Err(SecretFileError::Io { .. })));
        write_private(&path, b"\n").unwrap();
        assert!(matches!(read_secret_text(&path), Err(SecretFileError::Empty { .. })));
        write_private(&path, b"hunter2\n").unwrap();
        assert_eq!(*read_secret_text(&path).unwrap(), "hunter2");
    }
}
