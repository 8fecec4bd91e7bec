use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use domain::time::{self, Timestamp};
use ports::KeySetSource;
use ports::tokens::{KeySet, PublicKey};

use crate::key_directory::{KeyDirectory, KeyEntry, KeyFailure};
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
    stamp: Option<(SystemTime, u64)>,
}

impl KeyRing {
    /// Reads the directory, which must hold at least one key.
    pub fn open(directory: KeyDirectory, longest_token_life: Duration) -> Result<Self, KeyFailure> {
        let stamp = directory.stamp();
        let ring = Ring {
            keys: load(&directory, &BTreeMap::new())?,
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

    /// The key that signs at `now`: of those whose time has come and that are not retired, the latest.
    pub fn signing_key(&self, now: Timestamp) -> Option<Rs512Key> {
        let ring = self.ring();
        let signing = ring
            .keys
            .iter()
            .filter(|key| key.entry.signs_from <= now && !is_retired(&key.entry, now));
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
        published.map(|key| key.key.public_key()).collect()
    }

    /// Reads the directory again when its manifest has changed; whether the ring did.
    fn look(&self) -> Result<bool, KeyFailure> {
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
        let ring = Ring {
            keys: load(&self.directory, &known)?,
            version: before.version + 1,
        };
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        last.stamp = stamp;
        Ok(true)
    }
}

fn load(directory: &KeyDirectory, known: &BTreeMap<String, Rs512Key>) -> Result<Vec<RingKey>, KeyFailure> {
    let keys = directory.load(known)?.into_iter();
    Ok(keys
        .map(|(entry, key)| RingKey {
            entry,
            verification: VerificationKey(key.decoding_key()),
            key,
        })
        .collect())
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
    fn version(&self) -> u64 {
        self.ring().version
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
                "the signing keys cannot be read; those known stay in use"
            );
            false
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_next_key_is_published_before_it_signs_and_the_last_until_its_tokens_are_dead() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path().join("keys"));
        directory.ensure_key(at(0)).unwrap();
        directory.ensure_key(at(1)).unwrap();
        let first = directory.list().unwrap().remove(0).id;
        let second = directory.generate(at(100)).unwrap().id;
        let ring = KeyRing::open(directory.clone(), Duration::from_mins(5)).unwrap();
        let published =
            |ring: &KeyRing, now| -> Vec<String> { ring.published(now).into_iter().map(|key| key.id).collect() };
        assert_eq!(published(&ring, at(1)), [first.clone(), second.clone()]);
        assert_eq!(ring.signing_key(at(99)).unwrap().id(), first);
        assert_eq!(ring.signing_key(at(100)).unwrap().id(), second);

        directory.retire(&first, at(100)).unwrap();
        let ring = KeyRing::open(directory.clone(), Duration::from_mins(5)).unwrap();
        assert!(published(&ring, at(399)).contains(&first));
        assert!(!published(&ring, at(400)).contains(&first));
    }

    #[test]
    fn the_only_signing_key_is_not_retired() {
        let folder = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(folder.path());
        directory.ensure_key(at(0)).unwrap();
        let only = directory.list().unwrap().remove(0).id;
        directory.generate(at(100)).unwrap();
        assert!(matches!(directory.retire(&only, at(99)), Err(KeyFailure::LastKey(_))));
        assert!(matches!(
            directory.retire("nobody", at(99)),
            Err(KeyFailure::UnknownKey(_))
        ));
    }
}
