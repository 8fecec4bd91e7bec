//! What stands in for the machine: a clock, a signer, an ear for measurements.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use domain::time::Timestamp;
use domain::tokens::AccessToken;
use ports::tokens::{KeySet, PublicKey, SigningFailure, TokenSigner};
use ports::{Clock, Measure, RenewalOutcome, Telemetry};

/// A time that is no whole second.
const START: i64 = 1_767_225_600_123;

/// Stands still until a test moves it.
pub(crate) struct SettableClock(AtomicI64);

impl Default for SettableClock {
    fn default() -> Self {
        Self(AtomicI64::new(START))
    }
}

impl SettableClock {
    pub(crate) fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap();
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    pub(crate) fn set(&self, at: Timestamp) {
        self.0.store(at.as_millisecond(), Ordering::SeqCst);
    }
}

impl Clock for SettableClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Remembers what it was asked to sign; the signed form is the token's id.
#[derive(Default)]
pub(crate) struct RecordingSigner(Mutex<HashMap<String, AccessToken>>);

impl RecordingSigner {
    /// What was signed as `text`.
    pub(crate) fn content(&self, text: &str) -> AccessToken {
        self.0.lock().unwrap()[text].clone()
    }

    pub(crate) fn signatures(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl TokenSigner for RecordingSigner {
    fn sign(&self, token: &AccessToken) -> Result<String, SigningFailure> {
        self.0.lock().unwrap().insert(token.id.clone(), token.clone());
        Ok(token.id.clone())
    }
}

/// Counts what the operator would see.
#[derive(Default)]
pub(crate) struct Figures {
    replays: AtomicUsize,
    repeated: AtomicUsize,
}

impl Figures {
    pub(crate) fn replays(&self) -> usize {
        self.replays.load(Ordering::SeqCst)
    }

    /// Renewals that were told the same successor again.
    pub(crate) fn repeated(&self) -> usize {
        self.repeated.load(Ordering::SeqCst)
    }
}

impl Telemetry for Figures {
    fn record(&self, measure: Measure<'_>) {
        match measure {
            Measure::Replay => &self.replays,
            Measure::Renewal(RenewalOutcome::Repeated) => &self.repeated,
            _ => return,
        }
        .fetch_add(1, Ordering::SeqCst);
    }
}

/// No test here asks for keys.
pub(crate) struct NoKeys;

impl KeySet for NoKeys {
    fn public_keys(&self) -> Vec<PublicKey> {
        Vec::new()
    }
}
