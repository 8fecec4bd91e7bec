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

/// A key signs on for so many seconds after its retirement was ordered: longer than every server takes to read it, so that
/// none signs with a key that the others hold for retired. The rest is for clocks that differ.
const RETIREMENT_DELAY_SECONDS: i64 = 5;

/// Signing keys that cannot be read, made or changed.
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
    #[error("`{0}` is the only key that signs: generate another first, and retire this one once that signs")]
    LastKey(String),
    #[error("a key could not be generated")]
    Generation,
}

/// What the manifest says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    pub id: String,
    /// Published at once, signs from then on until a later key does.
    pub signs_from: Timestamp,
    /// Verifies only, from then on, and only what was issued before.
    pub retired_at: Option<Timestamp>,
}

/// A key that was in somebody else's hands: no part of any key set again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedKey {
    pub id: String,
    pub revoked_at: Timestamp,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct ManifestDocument {
    /// In the order in which they were made.
    keys: Vec<KeyDocument>,
    /// Never among `keys`, whoever puts one there.
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
    fn signs(&self, now: Timestamp) -> bool {
        self.retired_at.is_none() && self.signs_from <= now
    }
}

/// Its file (another one for each manifest), when that was written, and its length.
pub(crate) type ManifestStamp = (u64, SystemTime, u64);

pub(crate) type LoadedKey = (KeyEntry, Result<Rs512Key, KeyError>);

/// A folder of `<kid>.pem` files (PKCS#8) and a manifest that says which signs from when.
#[derive(Debug, Clone)]
pub struct KeyDirectory {
    folder: PathBuf,
}

impl KeyDirectory {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Something that changes whenever the manifest does.
    pub(crate) fn stamp(&self) -> Option<ManifestStamp> {
        let metadata = fs::metadata(self.manifest()).ok()?;
        Some((metadata.ino(), metadata.modified().ok()?, metadata.len()))
    }

    /// Makes a first key when there is none, whoever else tries at the same time.
    pub fn ensure_key(&self, now: Timestamp) -> Result<(), KeyError> {
        let _only_one = self.lock()?;
        let mut manifest = self.read()?;
        if !manifest.keys.is_empty() {
            return Ok(());
        }
        self.add_key(&mut manifest, now)?;
        self.write(&manifest)
    }

    /// The keys that are not revoked, oldest first.
    pub fn list(&self) -> Result<Vec<KeyEntry>, KeyError> {
        let entry = |key: KeyDocument| KeyEntry {
            id: key.kid,
            signs_from: key.signs_from,
            retired_at: key.retired_at,
        };
        Ok(self.read()?.keys.into_iter().map(entry).collect())
    }

    /// Makes a key of 2048 bits that signs from `signs_from`.
    pub fn generate(&self, signs_from: Timestamp) -> Result<KeyEntry, KeyError> {
        let _only_one = self.lock()?;
        let mut manifest = self.read()?;
        let key = self.add_key(&mut manifest, signs_from)?;
        self.write(&manifest)?;
        Ok(key)
    }

    /// The keys that were revoked, in that order.
    pub fn revoked(&self) -> Result<Vec<RevokedKey>, KeyError> {
        let revoked = |key: RevokedKeyDocument| RevokedKey {
            id: key.kid,
            revoked_at: key.revoked_at,
        };
        Ok(self.read()?.revoked.into_iter().map(revoked).collect())
    }

    /// Stops a key from signing, a few seconds from now; it verifies until the last token it may have signed has expired.
    pub fn retire(&self, kid: &str, now: Timestamp) -> Result<(), KeyError> {
        let _only_one = self.lock()?;
        let mut manifest = self.read()?;
        let another_signs = manifest.keys.iter().any(|key| key.kid != kid && key.signs(now));
        let key = manifest
            .keys
            .iter_mut()
            .find(|key| key.kid == kid)
            .ok_or_else(|| KeyError::UnknownKey(kid.to_owned()))?;
        if key.retired_at.is_some() {
            return Ok(());
        }
        if !another_signs {
            return Err(KeyError::LastKey(kid.to_owned()));
        }
        let retired_at = Timestamp::from_second(now.as_second() + RETIREMENT_DELAY_SECONDS);
        key.retired_at = Some(retired_at.unwrap_or(now));
        self.write(&manifest)
    }

    /// Takes a key out of the set at once and for good, and removes its file. When it was the only one that signs, the
    /// next one does so from now on, or a new one where there is none: no moment passes without a key that signs.
    pub fn revoke(&self, kid: &str, now: Timestamp) -> Result<(), KeyError> {
        let _only_one = self.lock()?;
        let mut manifest = self.read()?;
        if manifest.revoked.iter().all(|revoked| revoked.kid != kid) {
            let known = manifest.keys.len();
            manifest.keys.retain(|key| key.kid != kid);
            if manifest.keys.len() == known {
                return Err(KeyError::UnknownKey(kid.to_owned()));
            }
            manifest.revoked.push(RevokedKeyDocument {
                kid: kid.to_owned(),
                revoked_at: now,
            });
            self.keep_one_signing(&mut manifest, now)?;
            self.write(&manifest)?;
        }
        // Last: without its file a key that the manifest names could not be read. The thief has a copy anyhow.
        let path = self.pem(kid);
        match fs::remove_file(&path) {
            Err(failure) if failure.kind() != io::ErrorKind::NotFound => Err(io_failure(&path, failure)),
            _ => Ok(()),
        }
    }

    fn keep_one_signing(&self, manifest: &mut ManifestDocument, now: Timestamp) -> Result<(), KeyError> {
        if manifest.keys.iter().any(|key| key.signs(now)) {
            return Ok(());
        }
        let waiting = manifest.keys.iter_mut().filter(|key| key.retired_at.is_none());
        match waiting.min_by_key(|key| key.signs_from) {
            // Verifiers know it already.
            Some(next) => next.signs_from = whole_second(now),
            None => drop(self.add_key(manifest, now)?),
        }
        Ok(())
    }

    /// Every key of the manifest with its private half, or with why that cannot be read.
    pub(crate) fn load(&self, known: &BTreeMap<String, Rs512Key>) -> Result<Vec<LoadedKey>, KeyError> {
        let loaded = |entry: KeyEntry| {
            let key = match known.get(&entry.id) {
                Some(key) => Ok(key.clone()),
                None => self.load_key(&entry.id),
            };
            (entry, key)
        };
        Ok(self.list()?.into_iter().map(loaded).collect())
    }

    fn load_key(&self, kid: &str) -> Result<Rs512Key, KeyError> {
        let path = self.pem(kid);
        let text = read_private(&path)?;
        let malformed = || malformed(&path, "an RSA private key in PKCS#8 PEM");
        let pem = pem::parse(text.as_bytes()).map_err(|_| malformed())?;
        let contents = Zeroizing::new(pem.into_contents());
        let pair = KeyPair::from_pkcs8(&contents).map_err(|_| malformed())?;
        Ok(Rs512Key::new(pair))
    }

    /// Makes the file of a key and names it in the manifest, which is written afterwards.
    fn add_key(&self, manifest: &mut ManifestDocument, signs_from: Timestamp) -> Result<KeyEntry, KeyError> {
        let signs_from = whole_second(signs_from);
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generation)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Generation)?;
        let pem = Zeroizing::new(pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref().to_vec())));
        let kid = Rs512Key::new(pair).id().to_owned();
        let path = self.pem(&kid);
        write_private(&path, pem.as_bytes()).map_err(|source| io_failure(&path, source))?;
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

    fn lock(&self) -> Result<File, KeyError> {
        let path = self.folder.join("manifest.lock");
        if !path.exists() {
            write_private(&path, b"").map_err(|source| io_failure(&path, source))?;
        }
        let file = File::open(&path).map_err(|source| io_failure(&path, source))?;
        file.lock().map_err(|source| io_failure(&path, source))?;
        Ok(file)
    }

    fn read(&self) -> Result<ManifestDocument, KeyError> {
        let path = self.manifest();
        let mut manifest: ManifestDocument = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| malformed(&path, "a key manifest"))?,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => ManifestDocument::default(),
            Err(source) => return Err(io_failure(&path, source)),
        };
        let ManifestDocument { keys, revoked } = &mut manifest;
        keys.retain(|key| revoked.iter().all(|revoked| revoked.kid != key.kid));
        Ok(manifest)
    }

    fn write(&self, manifest: &ManifestDocument) -> Result<(), KeyError> {
        let path = self.manifest();
        let text = serde_json::to_vec_pretty(manifest).map_err(|_| malformed(&path, "a key manifest"))?;
        write_private(&path, &text).map_err(|source| io_failure(&path, source))
    }

    fn manifest(&self) -> PathBuf {
        self.folder.join(MANIFEST)
    }

    fn pem(&self, kid: &str) -> PathBuf {
        self.folder.join(format!("{kid}.pem"))
    }
}

/// Tokens are issued at whole seconds: a key signs from the second it is in.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn io_failure(path: &Path, source: io::Error) -> KeyError {
    KeyError::Io {
        path: path.display().to_string(),
        source,
    }
}

fn malformed(path: &Path, what: &'static str) -> KeyError {
    KeyError::Malformed {
        path: path.display().to_string(),
        what,
    }
}
