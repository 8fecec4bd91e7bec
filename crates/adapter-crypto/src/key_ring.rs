use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::time::{self, Timestamp};
use ports::KeySetSource;
use ports::tokens::{KeySet, PublicKey};

use crate::key_directory::{KeyDirectory, KeyEntry, KeyError, LoadedKey, ManifestStamp};
use crate::rs512_key::Rs512Key;
use crate::{VerificationKey, VerificationKeys};

/// The minimum time between two reads of the directory. A request with an unknown `kid` triggers a read, and so does a
/// loop in each process every second.
const MIN_RELOAD_INTERVAL: Duration = Duration::from_millis(500);

struct RingKey {
    entry: KeyEntry,
    key: Rs512Key,
    verification: VerificationKey,
}

struct Ring {
    /// Oldest first.
    keys: Vec<RingKey>,
    /// Unique among the rings of this process.
    version: u64,
}

/// The keys in use: the key that signs now, and all keys that may still verify. Follows the changes of its directory
/// without a restart.
///
/// The life of a key, with a cache time of 5 minutes and a longest token life of 1 hour (docs/protocols.md
/// "Signing keys"):
///
/// - 12:00:00 An operator generates key B with `signs_from` 12:05:00. It is published at once. Key A signs.
/// - 12:04:58 A verifier's copy of the key set, fetched at 11:59:58, expires. The verifier fetches again and knows B.
/// - 12:05:00 B signs, because of all `signs_from` in the past its own is the latest. A verifies.
/// - 12:30:00 The operator retires A, which gets `retired_at` 12:30:05. By 12:30:01 every process has read that.
/// - 12:30:05 From now on, no token with this or a later `iat` is accepted under A, so a stolen copy of A is useless.
/// - 13:30:05 The last token that A may have signed has expired. A leaves the key set.
///
/// A revoked key leaves the ring at the next read of the directory, and every token that it signed is rejected.
pub struct KeyRing {
    directory: KeyDirectory,
    /// The time for which a retired key still verifies: the longest life of a token that it signed just before its
    /// retirement.
    longest_token_life: Duration,
    ring: RwLock<Arc<Ring>>,
    last_reload: Mutex<LastReload>,
}

struct LastReload {
    at: Instant,
    /// The stamp of the manifest that was read; `None` if one of its keys could not be read.
    stamp: Option<ManifestStamp>,
}

impl KeyRing {
    /// Reads the directory. Fails if a key that the manifest names cannot be read. A ring without keys signs and
    /// verifies nothing.
    pub fn open(directory: KeyDirectory, longest_token_life: Duration) -> Result<Self, KeyError> {
        let stamp = directory.stamp();
        let loaded = directory.load(&BTreeMap::new())?.into_iter();
        let keys = loaded.map(|(entry, key)| Ok(ring_key(entry, key?)));
        let ring = Ring {
            keys: keys.collect::<Result<_, KeyError>>()?,
            version: 0,
        };
        Ok(Self {
            directory,
            longest_token_life,
            ring: RwLock::new(Arc::new(ring)),
            last_reload: Mutex::new(LastReload {
                at: Instant::now(),
                stamp,
            }),
        })
    }

    fn ring(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the key that signs at `now`. Of the keys that are not retired and whose `signs_from` has passed, this is
    /// the key with the latest `signs_from`. If several have the same, it is the key that was generated last.
    pub fn signing_key(&self, now: Timestamp) -> Option<Rs512Key> {
        let ring = self.ring();
        let signing = ring
            .keys
            .iter()
            .filter(|key| key.entry.signs_from <= now && !is_retired(&key.entry, now));
        // `max_by_key` returns the last of several equal keys.
        signing
            .max_by_key(|key| key.entry.signs_from)
            .map(|key| key.key.clone())
    }

    fn still_verifies(&self, entry: &KeyEntry, now: Timestamp) -> bool {
        entry
            .retired_at
            .is_none_or(|retired| now < time::after(retired, self.longest_token_life))
    }

    /// Returns the keys that are published at `now`. They include keys that sign later, so that verifiers know them in
    /// advance.
    fn published_keys(&self, now: Timestamp) -> Vec<PublicKey> {
        let ring = self.ring();
        let keys = ring.keys.iter().filter(|key| self.still_verifies(&key.entry, now));
        keys.map(|key| key.key.public_key(key.entry.retired_at)).collect()
    }

    /// Reads the directory again if its manifest has changed. Returns whether the ring changed. Returns false without
    /// reading if the last read was less than [`MIN_RELOAD_INTERVAL`] ago.
    ///
    /// A key that cannot be read is left out and reported; the others are used. Scenario: an operator generates B,
    /// whose file gets the wrong mode, and revokes A. A must leave the ring although B cannot be read.
    fn reload_if_changed(&self) -> Result<bool, KeyError> {
        let mut last = self.last_reload.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.elapsed() < MIN_RELOAD_INTERVAL {
            return Ok(false);
        }
        last.at = Instant::now();
        let stamp = self.directory.stamp();
        if stamp == last.stamp {
            return Ok(false);
        }
        let before = self.ring();
        let known = before
            .keys
            .iter()
            .map(|key| (key.entry.id.clone(), key.key.clone()))
            .collect();
        let (keys, first_error) = split_readable(self.directory.load(&known)?);
        let entries = |keys: &[RingKey]| keys.iter().map(|key| key.entry.clone()).collect::<Vec<_>>();
        let is_changed = entries(&keys) != entries(&before.keys);
        if is_changed {
            let version = before.version + 1;
            *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Ring { keys, version });
        }
        if let Some(error) = first_error {
            // The old stamp stays, so that the next call reads the directory again.
            return Err(error);
        }
        last.stamp = stamp;
        Ok(is_changed)
    }
}

fn ring_key(entry: KeyEntry, key: Rs512Key) -> RingKey {
    RingKey {
        verification: VerificationKey {
            key: key.decoding_key(),
            retired_at: entry.retired_at,
        },
        entry,
        key,
    }
}

/// Returns the keys that could be read, and the error of the first key that could not.
fn split_readable(loaded: Vec<LoadedKey>) -> (Vec<RingKey>, Option<KeyError>) {
    let (mut keys, mut first_error) = (Vec::new(), None);
    for (entry, key) in loaded {
        match key {
            Ok(key) => keys.push(ring_key(entry, key)),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    (keys, first_error)
}

fn is_retired(entry: &KeyEntry, now: Timestamp) -> bool {
    entry.retired_at.is_some_and(|retired| retired <= now)
}

/// A key ring with a clock, because the port [`KeySet`] passes no time.
pub(crate) struct ClockedKeySet {
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) clock: Arc<dyn ports::Clock>,
}

impl KeySet for ClockedKeySet {
    fn public_keys(&self) -> Vec<PublicKey> {
        self.ring.published_keys(self.clock.now())
    }
}

impl KeyRing {
    /// Returns the public keys of the ring as a port.
    pub fn key_set(self: &Arc<Self>, clock: Arc<dyn ports::Clock>) -> Arc<dyn KeySet> {
        Arc::new(ClockedKeySet {
            ring: self.clone(),
            clock,
        })
    }
}

impl VerificationKeys for KeyRing {
    fn version(&self) -> Option<u64> {
        let ring = self.ring();
        (!ring.keys.is_empty()).then_some(ring.version)
    }

    fn verification_key(&self, kid: &str, now: Timestamp) -> Option<VerificationKey> {
        let ring = self.ring();
        let key = ring.keys.iter().find(|key| key.entry.id == kid)?;
        self.still_verifies(&key.entry, now).then(|| key.verification.clone())
    }
}

#[async_trait]
impl KeySetSource for KeyRing {
    async fn refresh(&self) -> bool {
        self.reload_if_changed().unwrap_or_else(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a signing key or the manifest cannot be read; known keys stay in use if the manifest names them"
            );
            false
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn open(directory: &KeyDirectory) -> KeyRing {
        KeyRing::open(directory.clone(), Duration::from_mins(5)).unwrap()
    }

    fn published_ids(ring: &KeyRing, now: Timestamp) -> Vec<String> {
        ring.published_keys(now).into_iter().map(|key| key.id).collect()
    }

    /// Reloads without waiting for [`MIN_RELOAD_INTERVAL`].
    fn reload(ring: &KeyRing) -> Result<bool, KeyError> {
        ring.last_reload.lock().unwrap().at = Instant::now().checked_sub(MIN_RELOAD_INTERVAL).unwrap();
        ring.reload_if_changed()
    }

    #[test]
    fn keys_are_published_before_they_sign_and_after_retirement() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path().join("keys"));
        directory.ensure_key(at(0)).unwrap();
        directory.ensure_key(at(1)).unwrap();
        let first = directory.list().unwrap().remove(0).id;
        let second = directory.generate(at(100)).unwrap().id;
        let ring = open(&directory);
        assert_eq!(published_ids(&ring, at(1)), [first.clone(), second.clone()]);
        assert_eq!(ring.signing_key(at(99)).unwrap().id(), first);
        assert_eq!(ring.signing_key(at(100)).unwrap().id(), second);

        directory.retire(&first, at(100)).unwrap();
        let ring = open(&directory);
        let retired: Vec<_> = ring
            .published_keys(at(404))
            .into_iter()
            .map(|key| key.retired_at)
            .collect();
        assert_eq!(retired, [Some(at(105)), None]);
        assert!(!published_ids(&ring, at(405)).contains(&first));
    }

    #[test]
    fn a_retired_key_signs_until_its_retirement_time() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let older = directory.list().unwrap().remove(0).id;
        let newer = directory.generate(at(10)).unwrap().id;
        directory.retire(&newer, at(100)).unwrap();
        let ring = open(&directory);
        assert_eq!(ring.signing_key(at(104)).unwrap().id(), newer);
        assert_eq!(ring.signing_key(at(105)).unwrap().id(), older);
        let key = ring.verification_key(&newer, at(105)).unwrap();
        assert_eq!((key.was_in_use_at(104), key.was_in_use_at(105)), (true, false));
    }

    #[test]
    fn among_equal_signs_from_the_newest_key_signs() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(5)).unwrap();
        for _ in 0..3 {
            let newest = directory.generate(at(5)).unwrap().id;
            assert_eq!(open(&directory).signing_key(at(5)).unwrap().id(), newest);
        }
    }

    #[test]
    fn the_only_signing_key_cannot_be_retired() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let only = directory.list().unwrap().remove(0).id;
        directory.generate(at(100)).unwrap();
        assert!(matches!(directory.retire(&only, at(99)), Err(KeyError::LastKey(_))));
        assert!(matches!(
            directory.retire("unknown", at(99)),
            Err(KeyError::UnknownKey(_))
        ));
    }

    #[test]
    fn a_revoked_key_never_returns_to_the_ring() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let stolen = directory.list().unwrap().remove(0).id;
        let next = directory.generate(at(1000)).unwrap().id;
        let pem = folder.path().join(format!("{stolen}.pem"));
        let manifest = folder.path().join("manifest.json");
        let (stolen_pem, old_manifest) = (fs::read(&pem).unwrap(), fs::read_to_string(&manifest).unwrap());
        let ring = open(&directory);
        let version = ring.version();

        directory.revoke(&stolen, at(100)).unwrap();
        assert!(reload(&ring).unwrap());
        assert!(
            ring.version() > version,
            "tokens verified under the old version are not found"
        );
        assert!(ring.verification_key(&stolen, at(100)).is_none());
        assert_eq!(published_ids(&ring, at(100)), std::slice::from_ref(&next));
        assert_eq!(
            ring.signing_key(at(100)).unwrap().id(),
            next,
            "without another key, it signs before its `signs_from`"
        );
        assert!(!pem.exists());

        // An operator restores the file and the manifest's entry of the revoked key.
        crate::write_private(&pem, &stolen_pem).unwrap();
        let mut restored: serde_json::Value = serde_json::from_str(&old_manifest).unwrap();
        let now: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        restored["revoked"] = now["revoked"].clone();
        crate::write_private(&manifest, restored.to_string().as_bytes()).unwrap();
        let newest = directory.generate(at(200)).unwrap().id;
        reload(&ring).unwrap();
        for ring in [&ring, &open(&directory)] {
            assert!(ring.verification_key(&stolen, at(200)).is_none());
            assert_eq!(ring.signing_key(at(200)).unwrap().id(), newest);
        }
        let revoked: Vec<_> = directory
            .revoked_keys()
            .unwrap()
            .into_iter()
            .map(|key| key.id)
            .collect();
        assert_eq!(revoked, std::slice::from_ref(&stolen));
        directory.revoke(&stolen, at(300)).unwrap();
        assert!(!pem.exists(), "a second revocation removes the file again");
        assert!(matches!(
            directory.retire(&stolen, at(300)),
            Err(KeyError::UnknownKey(_))
        ));
        assert!(matches!(
            directory.revoke("unknown", at(300)),
            Err(KeyError::UnknownKey(_))
        ));
    }

    #[test]
    fn revoking_the_only_key_generates_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let only = directory.list().unwrap().remove(0).id;
        directory.revoke(&only, at(100)).unwrap();
        let ring = open(&directory);
        let signing = ring.signing_key(at(100)).unwrap();
        assert_eq!(published_ids(&ring, at(100)), [signing.id()]);
        assert_ne!(signing.id(), only);
    }

    #[test]
    fn an_unreadable_key_does_not_delay_a_revocation() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let first = directory.list().unwrap().remove(0).id;
        let ring = open(&directory);
        let shared = directory.generate(at(0)).unwrap().id;
        let pem = folder.path().join(format!("{shared}.pem"));
        fs::set_permissions(&pem, fs::Permissions::from_mode(0o644)).unwrap();
        directory.revoke(&first, at(100)).unwrap();

        assert!(matches!(reload(&ring), Err(KeyError::Secret(_))));
        assert!(ring.verification_key(&first, at(100)).is_none());
        assert_eq!(ring.version(), None, "no key is left");
        let error = KeyRing::open(directory.clone(), Duration::from_mins(5)).err().unwrap();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("0644"), "{cause}");

        fs::set_permissions(&pem, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(reload(&ring).unwrap(), "the key is read again");
        assert_eq!(published_ids(&ring, at(100)), [shared]);
    }
}
