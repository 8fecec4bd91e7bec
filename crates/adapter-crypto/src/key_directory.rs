use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::SecretFileError;
use crate::rs512_key::Rs512Key;
use crate::secret_file::{read_private, write_private};

const MANIFEST: &str = "manifest.json";

/// The delay from an operator's command to retire a key to its `retired_at`, in seconds. Every process reads the
/// manifest each second. The other four seconds are a margin for clocks that differ.
///
/// Without the delay: process A reads the retirement at once, B a second later. In between B signs with the key, and A
/// rejects B's tokens.
const RETIREMENT_DELAY_SECONDS: i64 = 5;

/// An error while reading, generating or changing signing keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("`{path}` cannot be read or written")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` cannot be read as {what}")]
    Malformed { path: String, what: &'static str },
    #[error("a signing key cannot be used")]
    Secret(#[from] SecretFileError),
    #[error("there is no key `{0}`")]
    UnknownKey(String),
    #[error("`{0}` is the only key that signs: generate another, wait until it signs, and then retire this one")]
    LastKey(String),
    #[error("a key could not be generated")]
    Generation,
}

/// A key's entry in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    pub id: String,
    /// The key signs from this time until a key with a later `signs_from` signs. It is published earlier.
    pub signs_from: Timestamp,
    /// From this time on, the key only verifies, and only tokens with an earlier `iat`.
    pub retired_at: Option<Timestamp>,
}

/// A key that an operator revoked, for example because it was stolen. It never returns to a key set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedKey {
    pub id: String,
    pub revoked_at: Timestamp,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct ManifestDocument {
    /// Oldest first.
    keys: Vec<KeyDocument>,
    /// Overrides `keys`: the entry of a revoked key there is ignored, for example after an operator restored it from a
    /// backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    revoked: Vec<RevokedKeyDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyDocument {
    kid: String,
    signs_from: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RevokedKeyDocument {
    kid: String,
    revoked_at: Timestamp,
}

impl KeyDocument {
    fn may_sign(&self, now: Timestamp) -> bool {
        self.retired_at.is_none() && self.signs_from <= now
    }
}

/// The inode, modification time and length of the manifest. Each write creates a new file next to the old one, so the
/// inodes differ even if time and length are the same.
pub(crate) type ManifestStamp = (u64, SystemTime, u64);

/// An entry of the manifest, and its private key or the error from reading it.
pub(crate) type LoadedKey = (KeyEntry, Result<Rs512Key, KeyError>);

/// A folder of `<kid>.pem` files (PKCS#8) and a manifest with the times of each key. A lock file serializes concurrent
/// changes by several processes.
#[derive(Debug, Clone)]
pub struct KeyDirectory {
    folder: PathBuf,
}

impl KeyDirectory {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Returns a value that differs after every change of the manifest; `None` if there is no manifest.
    pub(crate) fn stamp(&self) -> Option<ManifestStamp> {
        let metadata = fs::metadata(self.manifest()).ok()?;
        Some((metadata.ino(), metadata.modified().ok()?, metadata.len()))
    }

    /// Generates the first key if there is none. If several processes call this at the same time, only one of them
    /// generates a key.
    pub fn ensure_key(&self, now: Timestamp) -> Result<(), KeyError> {
        let _lock = self.lock()?;
        let mut manifest = self.read()?;
        if !manifest.keys.is_empty() {
            return Ok(());
        }
        self.add_key(&mut manifest, now)?;
        self.write(&manifest)
    }

    /// Returns the keys that are not revoked, oldest first.
    pub fn list(&self) -> Result<Vec<KeyEntry>, KeyError> {
        let entry = |key: KeyDocument| KeyEntry {
            id: key.kid,
            signs_from: key.signs_from,
            retired_at: key.retired_at,
        };
        Ok(self.read()?.keys.into_iter().map(entry).collect())
    }

    /// Generates an RSA key of 2048 bits that signs from `signs_from`, rounded down to the second. The key is published
    /// immediately.
    pub fn generate(&self, signs_from: Timestamp) -> Result<KeyEntry, KeyError> {
        let _lock = self.lock()?;
        let mut manifest = self.read()?;
        let key = self.add_key(&mut manifest, signs_from)?;
        self.write(&manifest)?;
        Ok(key)
    }

    /// Returns the revoked keys, in the order of their revocation.
    pub fn revoked_keys(&self) -> Result<Vec<RevokedKey>, KeyError> {
        let revoked_key = |key: RevokedKeyDocument| RevokedKey {
            id: key.kid,
            revoked_at: key.revoked_at,
        };
        Ok(self.read()?.revoked.into_iter().map(revoked_key).collect())
    }

    /// Retires a key `RETIREMENT_DELAY_SECONDS` after `now`. It verifies until the last token that it may have signed
    /// has expired. A repeated call changes nothing. Fails with [`KeyError::LastKey`] if no other key signs at `now`.
    pub fn retire(&self, kid: &str, now: Timestamp) -> Result<(), KeyError> {
        let _lock = self.lock()?;
        let mut manifest = self.read()?;
        let has_other_signer = manifest.keys.iter().any(|key| key.kid != kid && key.may_sign(now));
        let key = manifest
            .keys
            .iter_mut()
            .find(|key| key.kid == kid)
            .ok_or_else(|| KeyError::UnknownKey(kid.to_owned()))?;
        if key.retired_at.is_some() {
            return Ok(());
        }
        if !has_other_signer {
            return Err(KeyError::LastKey(kid.to_owned()));
        }
        let retired_at = Timestamp::from_second(now.as_second() + RETIREMENT_DELAY_SECONDS);
        key.retired_at = Some(retired_at.unwrap_or(now));
        self.write(&manifest)
    }

    /// Removes a key from the set immediately and permanently, and deletes its file. A repeated call deletes the file
    /// again.
    ///
    /// There is always a key that signs. If no other key signs at `now`, the key with the earliest later `signs_from`
    /// signs from `now` on. If there is no such key, a new key is generated.
    pub fn revoke(&self, kid: &str, now: Timestamp) -> Result<(), KeyError> {
        let _lock = self.lock()?;
        let mut manifest = self.read()?;
        if manifest.revoked.iter().all(|revoked| revoked.kid != kid) {
            let count = manifest.keys.len();
            manifest.keys.retain(|key| key.kid != kid);
            if manifest.keys.len() == count {
                return Err(KeyError::UnknownKey(kid.to_owned()));
            }
            manifest.revoked.push(RevokedKeyDocument {
                kid: kid.to_owned(),
                revoked_at: now,
            });
            self.ensure_signer(&mut manifest, now)?;
            self.write(&manifest)?;
        }
        // The file is deleted after the manifest is written, because a process that reads in between must not find an
        // entry without its file. If this process dies before the deletion, the key is still revoked.
        let path = self.pem(kid);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(io_error(&path, source)),
            _ => Ok(()),
        }
    }

    fn ensure_signer(&self, manifest: &mut ManifestDocument, now: Timestamp) -> Result<(), KeyError> {
        if manifest.keys.iter().any(|key| key.may_sign(now)) {
            return Ok(());
        }
        let waiting = manifest.keys.iter_mut().filter(|key| key.retired_at.is_none());
        match waiting.min_by_key(|key| key.signs_from) {
            // The key was published when it was generated, so most verifiers know it already.
            Some(next) => next.signs_from = whole_second(now),
            None => drop(self.add_key(manifest, now)?),
        }
        Ok(())
    }

    /// Reads the private key of every entry of the manifest. Keys in `known` are not read and parsed again.
    pub(crate) fn load(&self, known: &BTreeMap<String, Rs512Key>) -> Result<Vec<LoadedKey>, KeyError> {
        let load_entry = |entry: KeyEntry| {
            let key = match known.get(&entry.id) {
                Some(key) => Ok(key.clone()),
                None => self.load_key(&entry.id),
            };
            (entry, key)
        };
        Ok(self.list()?.into_iter().map(load_entry).collect())
    }

    fn load_key(&self, kid: &str) -> Result<Rs512Key, KeyError> {
        let path = self.pem(kid);
        let text = read_private(&path)?;
        let pem_error = || malformed_error(&path, "an RSA private key in PKCS#8 PEM");
        let pem = pem::parse(text.as_bytes()).map_err(|_| pem_error())?;
        let contents = Zeroizing::new(pem.into_contents());
        let pair = KeyPair::from_pkcs8(&contents).map_err(|_| pem_error())?;
        Ok(Rs512Key::new(pair))
    }

    /// Generates a key, writes its file and adds it to `manifest`. The caller writes the manifest afterwards, so a
    /// process that reads in between finds no entry without a file.
    fn add_key(&self, manifest: &mut ManifestDocument, signs_from: Timestamp) -> Result<KeyEntry, KeyError> {
        let signs_from = whole_second(signs_from);
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generation)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Generation)?;
        let pem = Zeroizing::new(pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref().to_vec())));
        let kid = Rs512Key::new(pair).id().to_owned();
        let path = self.pem(&kid);
        write_private(&path, pem.as_bytes()).map_err(|source| io_error(&path, source))?;
        manifest.keys.push(KeyDocument {
            kid: kid.clone(),
            signs_from,
            retired_at: None,
        });
        Ok(KeyEntry {
            id: kid,
            signs_from,
            retired_at: None,
        })
    }

    /// Locks the directory until the returned file is dropped. Waits while another process holds the lock.
    fn lock(&self) -> Result<File, KeyError> {
        let path = self.folder.join("manifest.lock");
        if !path.exists() {
            write_private(&path, b"").map_err(|source| io_error(&path, source))?;
        }
        let file = File::open(&path).map_err(|source| io_error(&path, source))?;
        file.lock().map_err(|source| io_error(&path, source))?;
        Ok(file)
    }

    /// Reads the manifest. An absent manifest is read as empty.
    fn read(&self) -> Result<ManifestDocument, KeyError> {
        let path = self.manifest();
        let mut manifest: ManifestDocument = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| malformed_error(&path, "a key manifest"))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => ManifestDocument::default(),
            Err(source) => return Err(io_error(&path, source)),
        };
        let ManifestDocument { keys, revoked } = &mut manifest;
        keys.retain(|key| revoked.iter().all(|revoked| revoked.kid != key.kid));
        Ok(manifest)
    }

    fn write(&self, manifest: &ManifestDocument) -> Result<(), KeyError> {
        let path = self.manifest();
        let text = serde_json::to_vec_pretty(manifest).map_err(|_| malformed_error(&path, "a key manifest"))?;
        write_private(&path, &text).map_err(|source| io_error(&path, source))
    }

    /// Copies the manifest and the keys that it lists into another folder, which is created if it does not exist. No
    /// command changes the keys meanwhile. A repeated copy replaces the earlier one.
    pub fn copy_to(&self, folder: &Path) -> Result<(), KeyError> {
        let _lock = self.lock()?;
        for key in self.read()?.keys {
            copy_private(&self.pem(&key.kid), folder)?;
        }
        copy_private(&self.manifest(), folder)
    }

    fn manifest(&self) -> PathBuf {
        self.folder.join(MANIFEST)
    }

    fn pem(&self, kid: &str) -> PathBuf {
        self.folder.join(format!("{kid}.pem"))
    }
}

/// Copies a file into a folder, with mode 0600.
fn copy_private(file: &Path, folder: &Path) -> Result<(), KeyError> {
    let content = Zeroizing::new(fs::read(file).map_err(|source| io_error(file, source))?);
    let copy = folder.join(file.file_name().unwrap_or_default());
    write_private(&copy, &content).map_err(|source| io_error(&copy, source))
}

/// Rounds down to the second, because the `iat` of tokens has whole seconds.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn io_error(path: &Path, source: io::Error) -> KeyError {
    KeyError::Io {
        path: path.display().to_string(),
        source,
    }
}

fn malformed_error(path: &Path, what: &'static str) -> KeyError {
    KeyError::Malformed {
        path: path.display().to_string(),
        what,
    }
}
