use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::rs512_key::Rs512Key;
use crate::secret_file::write_private;

const MANIFEST: &str = "manifest.json";

/// Signing keys that cannot be read, made or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyFailure {
    #[error("`{path}` cannot be read or written")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` cannot be read as {what}")]
    Malformed { path: String, what: &'static str },
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
    /// Verifies only, from then on.
    pub retired_at: Option<Timestamp>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct ManifestDocument {
    keys: Vec<KeyDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyDocument {
    kid: String,
    signs_from: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_at: Option<Timestamp>,
}

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
    pub(crate) fn stamp(&self) -> Option<(SystemTime, u64)> {
        let metadata = fs::metadata(self.manifest()).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }

    /// Makes a first key when there is none, whoever else tries at the same time.
    pub fn ensure_key(&self, now: Timestamp) -> Result<(), KeyFailure> {
        let _only_one = self.lock()?;
        if self.read()?.keys.is_empty() {
            self.add_key(now).map(drop)
        } else {
            Ok(())
        }
    }

    /// The keys, oldest first.
    pub fn list(&self) -> Result<Vec<KeyEntry>, KeyFailure> {
        let entry = |key: KeyDocument| KeyEntry {
            id: key.kid,
            signs_from: key.signs_from,
            retired_at: key.retired_at,
        };
        Ok(self.read()?.keys.into_iter().map(entry).collect())
    }

    /// Makes a key of 2048 bits that signs from `signs_from`.
    pub fn generate(&self, signs_from: Timestamp) -> Result<KeyEntry, KeyFailure> {
        let _only_one = self.lock()?;
        self.add_key(signs_from)
    }

    /// Stops a key from signing; it verifies until the last token it may have signed has expired.
    pub fn retire(&self, kid: &str, now: Timestamp) -> Result<(), KeyFailure> {
        let _only_one = self.lock()?;
        let mut manifest = self.read()?;
        let another_signs = manifest
            .keys
            .iter()
            .any(|key| key.kid != kid && key.retired_at.is_none() && key.signs_from <= now);
        let key = manifest
            .keys
            .iter_mut()
            .find(|key| key.kid == kid)
            .ok_or_else(|| KeyFailure::UnknownKey(kid.to_owned()))?;
        if key.retired_at.is_some() {
            return Ok(());
        }
        if !another_signs {
            return Err(KeyFailure::LastKey(kid.to_owned()));
        }
        key.retired_at = Some(now);
        self.write(&manifest)
    }

    /// Every key of the manifest with its private half.
    pub(crate) fn load(&self, known: &BTreeMap<String, Rs512Key>) -> Result<Vec<(KeyEntry, Rs512Key)>, KeyFailure> {
        self.list()?
            .into_iter()
            .map(|entry| {
                let key = match known.get(&entry.id) {
                    Some(key) => key.clone(),
                    None => self.load_key(&entry.id)?,
                };
                Ok((entry, key))
            })
            .collect()
    }

    fn load_key(&self, kid: &str) -> Result<Rs512Key, KeyFailure> {
        let path = self.pem(kid);
        let text = Zeroizing::new(fs::read_to_string(&path).map_err(|source| io_failure(&path, source))?);
        let malformed = || malformed(&path, "an RSA private key in PKCS#8 PEM");
        let pem = pem::parse(text.as_bytes()).map_err(|_| malformed())?;
        let contents = Zeroizing::new(pem.into_contents());
        let pair = KeyPair::from_pkcs8(&contents).map_err(|_| malformed())?;
        Ok(Rs512Key::new(pair))
    }

    fn add_key(&self, signs_from: Timestamp) -> Result<KeyEntry, KeyFailure> {
        // Tokens are issued at whole seconds: a key signs from the second it is in.
        let signs_from = Timestamp::from_second(signs_from.as_second()).unwrap_or(signs_from);
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyFailure::Generation)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyFailure::Generation)?;
        let pem = Zeroizing::new(pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref().to_vec())));
        let kid = Rs512Key::new(pair).id().to_owned();
        let path = self.pem(&kid);
        write_private(&path, pem.as_bytes()).map_err(|source| io_failure(&path, source))?;
        let mut manifest = self.read()?;
        manifest.keys.push(KeyDocument {
            kid: kid.clone(),
            signs_from,
            retired_at: None,
        });
        self.write(&manifest)?;
        Ok(KeyEntry {
            id: kid,
            signs_from,
            retired_at: None,
        })
    }

    fn lock(&self) -> Result<File, KeyFailure> {
        let path = self.folder.join("manifest.lock");
        if !path.exists() {
            write_private(&path, b"").map_err(|source| io_failure(&path, source))?;
        }
        let file = File::open(&path).map_err(|source| io_failure(&path, source))?;
        file.lock().map_err(|source| io_failure(&path, source))?;
        Ok(file)
    }

    fn read(&self) -> Result<ManifestDocument, KeyFailure> {
        let path = self.manifest();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| malformed(&path, "a key manifest")),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(ManifestDocument::default()),
            Err(source) => Err(io_failure(&path, source)),
        }
    }

    fn write(&self, manifest: &ManifestDocument) -> Result<(), KeyFailure> {
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

fn io_failure(path: &Path, source: io::Error) -> KeyFailure {
    KeyFailure::Io {
        path: path.display().to_string(),
        source,
    }
}

fn malformed(path: &Path, what: &'static str) -> KeyFailure {
    KeyFailure::Malformed {
        path: path.display().to_string(),
        what,
    }
}
