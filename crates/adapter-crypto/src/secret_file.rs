use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use ports::Randomness as _;
use rustix::fs::{StatVfsMountFlags, fstatvfs};
use zeroize::Zeroizing;

use crate::SystemRandomness;

/// A secret file that cannot be read or made. It never holds what is in the file.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("`{path}` cannot be read or written")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error(
        "`{path}` has the mode {mode:04o}, which lets others than its owner read or change a secret: make it 0600. On a \
         read-only mount its group may read it: mount a secret of Kubernetes with `defaultMode: 0440` and an `fsGroup`"
    )]
    Shared { path: String, mode: u32 },
    #[error("`{path}` holds no usable secret: lines of 64 hexadecimal digits are expected")]
    Malformed { path: String },
    #[error("`{path}` holds no secret: a line of text is expected")]
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

/// Refuses a secret file that others than its owner may read or change. For files that a library opens by itself.
pub fn require_private(path: &Path) -> Result<(), SecretFileError> {
    open_private(path).map(drop)
}

/// Reads the whole text of a secret file; one that others than its owner may read or change is refused.
pub fn read_private(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let mut file = open_private(path)?;
    let io = |source| SecretFileError::io(path, source);
    let length = file.metadata().map_err(io)?.len();
    // Of its final size from the start: a string that grows leaves copies behind.
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

/// Whether a file of this mode is for its owner only. A secret that Kubernetes mounts belongs to root, and the process
/// reads it as the group that the pod names: nobody else is in that group, and nobody changes what is mounted read-only.
const fn is_private(mode: u32, on_read_only_mount: bool) -> bool {
    let forbidden = if on_read_only_mount { 0o037 } else { 0o077 };
    mode & forbidden == 0
}

/// The text of a secret file without the blanks around it: a password, or a URI that holds one.
pub fn read_secret_text(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let text = read_private(path)?;
    match text.trim() {
        "" => Err(SecretFileError::Empty {
            path: path.display().to_string(),
        }),
        secret => Ok(Zeroizing::new(secret.to_owned())),
    }
}

/// The secrets in a file, one of 64 hexadecimal digits a line, the one in use first.
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

/// As [`read_secret`]; a file that is not there is made, readable by its owner only.
pub fn read_or_create_secret(path: &Path) -> Result<Vec<Zeroizing<[u8; 32]>>, SecretFileError> {
    match read_secret(path) {
        Err(SecretFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let secret = Zeroizing::new(SystemRandomness.secret());
            let line = Zeroizing::new(format!("{}\n", domain::hex::encode(&*secret)));
            write_private(path, line.as_bytes()).map_err(|source| SecretFileError::io(path, source))?;
            // Another process may have been first: what is in the file now is what counts.
            read_secret(path)
        }
        read => read,
    }
}

/// Puts a whole file in place at once, mode 0600 in a folder of mode 0700, on disk before it returns.
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
    let placed = written.and_then(|()| fs::rename(&draft, path));
    if placed.is_err() {
        let _ = fs::remove_file(&draft);
    }
    placed?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_may_read_or_change_is_refused_however_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refresh.key");
        write_private(&path, "5e".repeat(32).as_bytes()).unwrap();
        let give = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let readings = || {
            [
                require_private(&path),
                read_secret(&path).map(drop),
                read_secret_text(&path).map(drop),
                read_or_create_secret(&path).map(drop),
            ]
        };
        for mode in [0o600, 0o400] {
            give(mode);
            assert!(readings().iter().all(Result::is_ok), "{mode:o}");
        }
        for mode in [0o640, 0o604, 0o620, 0o602, 0o644, 0o440] {
            give(mode);
            for refused in readings() {
                let words = refused.unwrap_err().to_string();
                assert!(
                    words.contains(&format!("{mode:04o}")) && words.contains("`defaultMode: 0440`"),
                    "{words}"
                );
            }
        }
    }

    #[test]
    fn on_a_read_only_mount_the_group_may_read_and_nobody_else() {
        for (mode, private) in [
            (0o440, true),
            (0o400, true),
            (0o444, false),
            (0o460, false),
            (0o644, false),
        ] {
            assert_eq!(is_private(mode, true), private, "{mode:o}");
        }
        assert!(!is_private(0o440, false));
    }

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets/refresh.key");
        let made = read_or_create_secret(&path).unwrap();
        assert_eq!(read_or_create_secret(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn a_malformed_file_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refresh.key");
        write_private(&path, b"hunter2").unwrap();
        let failure = read_or_create_secret(&path).unwrap_err();
        assert!(!format!("{failure} {failure:?}").contains("hunter2"));
    }

    #[test]
    fn a_secret_text_is_read_without_its_last_line_break_and_is_never_made() {
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
