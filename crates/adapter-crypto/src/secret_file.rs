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
}

impl SecretFileFailure {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.display().to_string(),
            source,
        }
    }
}

/// The secrets in a file, one of 64 hexadecimal digits a line, the one in use first. A file that is not there is made,
/// readable by its owner only.
pub fn read_or_create_secret(path: &Path) -> Result<Vec<Zeroizing<[u8; 32]>>, SecretFileFailure> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
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
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            let secret = Zeroizing::new(SystemRandomness.secret());
            let line = Zeroizing::new(format!("{}\n", domain::hex::encode(&*secret)));
            write_private(path, line.as_bytes()).map_err(|source| SecretFileFailure::io(path, source))?;
            // Another process may have been first: what is in the file now is what counts.
            read_or_create_secret(path)
        }
        Err(source) => Err(SecretFileFailure::io(path, source)),
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
}
