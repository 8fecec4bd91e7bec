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

/// Looks at the directory are at least so far apart.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

struct RingKey {
    entry: KeyEntry,
    key: Rs512Key,
    verification: VerificationKey,
}

struct Ring {
    /// In the order in which they were made.
    keys: Vec<RingKey>,
    /// Differs from that of every ring before it in this process.
    version: u64,
}

/// The keys in use: who signs now, and all that may still verify. Follows its directory without a restart.
pub struct KeyRing {
    directory: KeyDirectory,
    /// How long a token signed just before a retirement may live.
    longest_token_life: Duration,
    ring: RwLock<Arc<Ring>>,
    last_look: Mutex<Look>,
}

struct Look {
    at: Instant,
    stamp: Option<ManifestStamp>,
}

impl KeyRing {
    /// Reads the directory, which must hold at least one key.
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
            last_look: Mutex::new(Look {
                at: Instant::now(),
                stamp,
            }),
        })
    }

    fn ring(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key that signs at `now`: of those whose time has come and that are not retired, the latest; of several that
    /// sign from the same second, the one made last.
    pub fn signing_key(&self, now: Timestamp) -> Option<Rs512Key> {
        let ring = self.ring();
        let signing = ring
            .keys
            .iter()
            .filter(|key| key.entry.signs_from <= now && !is_retired(&key.entry, now));
        // Of equals, the last: that of the keys which was made last.
        signing
            .max_by_key(|key| key.entry.signs_from)
            .map(|key| key.key.clone())
    }

    fn still_verifies(&self, entry: &KeyEntry, now: Timestamp) -> bool {
        entry
            .retired_at
            .is_none_or(|retired| now < time::after(retired, self.longest_token_life))
    }

    /// The keys published at `now`.
    fn published(&self, now: Timestamp) -> Vec<PublicKey> {
        let ring = self.ring();
        let published = ring.keys.iter().filter(|key| self.still_verifies(&key.entry, now));
        published.map(|key| key.key.public_key(key.entry.retired_at)).collect()
    }

    /// Reads the directory again when its manifest has changed; whether the ring did. A key that cannot be read holds up
    /// no other: one that was revoked goes whatever else is wrong.
    fn look(&self) -> Result<bool, KeyError> {
        let mut last = self.last_look.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.elapsed() < LOOK_INTERVAL {
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
        let (keys, unreadable) = readable(self.directory.load(&known)?);
        let entries = |keys: &[RingKey]| keys.iter().map(|key| key.entry.clone()).collect::<Vec<_>>();
        let changed = entries(&keys) != entries(&before.keys);
        if changed {
            let version = before.version + 1;
            *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Ring { keys, version });
        }
        if let Some(failure) = unreadable {
            // The stamp stays as it was: the next look tries again.
            return Err(failure);
        }
        last.stamp = stamp;
        Ok(changed)
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

/// The keys that could be read, and why the first of the others could not.
fn readable(loaded: Vec<LoadedKey>) -> (Vec<RingKey>, Option<KeyError>) {
    let (mut keys, mut unreadable) = (Vec::new(), None);
    for (entry, key) in loaded {
        match key {
            Ok(key) => keys.push(ring_key(entry, key)),
            Err(failure) => unreadable = unreadable.or(Some(failure)),
        }
    }
    (keys, unreadable)
}

fn is_retired(entry: &KeyEntry, now: Timestamp) -> bool {
    entry.retired_at.is_some_and(|retired| retired <= now)
}

/// A key ring with a clock, as the ports want it.
pub(crate) struct ClockedKeySet {
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) clock: Arc<dyn ports::Clock>,
}

impl KeySet for ClockedKeySet {
    fn public_keys(&self) -> Vec<PublicKey> {
        self.ring.published(self.clock.now())
    }
}

impl KeyRing {
    /// The public side of the ring.
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
        self.look().unwrap_or_else(|failure| {
            tracing::error!(
                error = &failure as &dyn std::error::Error,
                "the signing keys cannot all be read; those known before stay in use as far as the manifest names them"
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

    fn published(ring: &KeyRing, now: Timestamp) -> Vec<String> {
        ring.published(now).into_iter().map(|key| key.id).collect()
    }

    /// Looks as if the last look was long ago.
    fn look(ring: &KeyRing) -> Result<bool, KeyError> {
        ring.last_look.lock().unwrap().at = Instant::now().checked_sub(LOOK_INTERVAL).unwrap();
        ring.look()
    }

    #[test]
    fn the_next_key_is_published_before_it_signs_and_the_last_until_its_tokens_are_dead() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path().join("keys"));
        directory.ensure_key(at(0)).unwrap();
        directory.ensure_key(at(1)).unwrap();
        let first = directory.list().unwrap().remove(0).id;
        let second = directory.generate(at(100)).unwrap().id;
        let ring = open(&directory);
        assert_eq!(published(&ring, at(1)), [first.clone(), second.clone()]);
        assert_eq!(ring.signing_key(at(99)).unwrap().id(), first);
        assert_eq!(ring.signing_key(at(100)).unwrap().id(), second);

        directory.retire(&first, at(100)).unwrap();
        let ring = open(&directory);
        let told: Vec<_> = ring.published(at(404)).into_iter().map(|key| key.retired_at).collect();
        assert_eq!(told, [Some(at(105)), None]);
        assert!(!published(&ring, at(405)).contains(&first));
    }

    #[test]
    fn a_key_signs_until_every_server_has_read_that_it_is_retired() {
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
        assert_eq!((key.signs_at(104), key.signs_at(105)), (true, false));
    }

    #[test]
    fn of_keys_that_sign_from_the_same_second_the_one_made_last_signs() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(5)).unwrap();
        for _ in 0..3 {
            let newest = directory.generate(at(5)).unwrap().id;
            assert_eq!(open(&directory).signing_key(at(5)).unwrap().id(), newest);
        }
    }

    #[test]
    fn the_only_signing_key_is_not_retired() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let only = directory.list().unwrap().remove(0).id;
        directory.generate(at(100)).unwrap();
        assert!(matches!(directory.retire(&only, at(99)), Err(KeyError::LastKey(_))));
        assert!(matches!(
            directory.retire("nobody", at(99)),
            Err(KeyError::UnknownKey(_))
        ));
    }

    #[test]
    fn a_revoked_key_is_gone_from_a_running_ring_and_nothing_brings_it_back() {
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
        assert!(look(&ring).unwrap());
        assert!(ring.version() > version, "what was verified with it is forgotten");
        assert!(ring.verification_key(&stolen, at(100)).is_none());
        assert_eq!(published(&ring, at(100)), std::slice::from_ref(&next));
        assert_eq!(
            ring.signing_key(at(100)).unwrap().id(),
            next,
            "it signs before its time"
        );
        assert!(!pem.exists());

        // Its file comes back, and so does its entry, beside the word that it is revoked.
        crate::write_private(&pem, &stolen_pem).unwrap();
        let mut restored: serde_json::Value = serde_json::from_str(&old_manifest).unwrap();
        let now: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        restored["revoked"] = now["revoked"].clone();
        crate::write_private(&manifest, restored.to_string().as_bytes()).unwrap();
        let newest = directory.generate(at(200)).unwrap().id;
        look(&ring).unwrap();
        for ring in [&ring, &open(&directory)] {
            assert!(ring.verification_key(&stolen, at(200)).is_none());
            assert_eq!(ring.signing_key(at(200)).unwrap().id(), newest);
        }
        let revoked: Vec<_> = directory.revoked().unwrap().into_iter().map(|key| key.id).collect();
        assert_eq!(revoked, std::slice::from_ref(&stolen));
        directory.revoke(&stolen, at(300)).unwrap();
        assert!(!pem.exists(), "saying it again removes the file again");
        assert!(matches!(
            directory.retire(&stolen, at(300)),
            Err(KeyError::UnknownKey(_))
        ));
        assert!(matches!(
            directory.revoke("nobody", at(300)),
            Err(KeyError::UnknownKey(_))
        ));
    }

    #[test]
    fn with_the_only_key_revoked_a_new_one_signs_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let only = directory.list().unwrap().remove(0).id;
        directory.revoke(&only, at(100)).unwrap();
        let ring = open(&directory);
        let signing = ring.signing_key(at(100)).unwrap();
        assert_eq!(published(&ring, at(100)), [signing.id()]);
        assert_ne!(signing.id(), only);
    }

    #[test]
    fn a_key_that_others_may_read_is_not_taken_and_holds_up_no_revocation() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let first = directory.list().unwrap().remove(0).id;
        let ring = open(&directory);
        let shared = directory.generate(at(0)).unwrap().id;
        let pem = folder.path().join(format!("{shared}.pem"));
        fs::set_permissions(&pem, fs::Permissions::from_mode(0o644)).unwrap();
        directory.revoke(&first, at(100)).unwrap();

        assert!(matches!(look(&ring), Err(KeyError::Secret(_))));
        assert!(ring.verification_key(&first, at(100)).is_none());
        assert_eq!(ring.version(), None, "nothing is left to verify with");
        let refused = KeyRing::open(directory.clone(), Duration::from_mins(5)).err().unwrap();
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert!(cause.contains("0644"), "{cause}");

        fs::set_permissions(&pem, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(look(&ring).unwrap(), "it is tried again");
        assert_eq!(published(&ring, at(100)), [shared]);
    }
}
