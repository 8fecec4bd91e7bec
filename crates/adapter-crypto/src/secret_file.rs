use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use ports::Randomness as _;
use zeroize::Zeroizing;

use crate::SystemRandomness;

/// A secret file that cannot be read or made. It never holds what is in the file.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileFailure {
    #[error("`{path}` cannot be read or written")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` holds no usable secret: lines of 64 hexadecimal digits are expected")]
    Malformed { path: String },
    #[error("`{path}` holds no secret: a line of text is expected")]
    Empty { path: String },
}

impl SecretFileFailure {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.display().to_string(),
            source,
        }
    }
}

/// The text of a secret file without the blanks around it: a password, or a URI that holds one.
pub fn read_secret_text(path: &Path) -> Result<Zeroizing<String>, SecretFileFailure> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|source| SecretFileFailure::io(path, source))?;
    match text.trim() {
        "" => Err(SecretFileFailure::Empty {
            path: path.display().to_string(),
        }),
        secret => Ok(Zeroizing::new(secret.to_owned())),
    }
}

/// The secrets in a file, one of 64 hexadecimal digits a line, the one in use first.
pub fn read_secret(path: &Path) -> Result<Vec<Zeroizing<[u8; 32]>>, SecretFileFailure> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|source| SecretFileFailure::io(path, source))?;
    let secrets: Option<Vec<_>> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| domain::hex::decode(line).map(Zeroizing::new))
        .collect();
    secrets
        .filter(|secrets| !secrets.is_empty())
        .ok_or_else(|| SecretFileFailure::Malformed {
            path: path.display().to_string(),
        })
}

/// As [`read_secret`]; a file that is not there is made, readable by its owner only.
pub fn read_or_create_secret(path: &Path) -> Result<Vec<Zeroizing<[u8; 32]>>, SecretFileFailure> {
    match read_secret(path) {
        Err(SecretFileFailure::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let secret = Zeroizing::new(SystemRandomness.secret());
            let line = Zeroizing::new(format!("{}\n", domain::hex::encode(&*secret)));
            write_private(path, line.as_bytes()).map_err(|source| SecretFileFailure::io(path, source))?;
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
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

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
        fs::write(&path, "hunter2").unwrap();
        let failure = read_or_create_secret(&path).unwrap_err();
        assert!(!format!("{failure} {failure:?}").contains("hunter2"));
    }

    #[test]
    fn a_secret_text_is_read_without_its_last_line_break_and_is_never_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        assert!(matches!(read_secret_text(&path), Err(SecretFileFailure::Io { .. })));
        assert!(matches!(read_secret(&path), Err(SecretFileFailure::Io { .. })));
        fs::write(&path, "\n").unwrap();
        assert!(matches!(read_secret_text(&path), Err(SecretFileFailure::Empty { .. })));
        fs::write(&path, "hunter2\n").unwrap();
        assert_eq!(*read_secret_text(&path).unwrap(), "hunter2");
    }
}
