//! Fakes of the signer, the delivery of codes, the audit trail and the metrics.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use adapter_crypto::HmacCodeDigester;
use async_trait::async_trait;
use domain::contact::ContactValue;
use domain::factors::{ChallengeId, CodeDigest, SendQuotaKey};
use domain::sessions::AccessToken;
use ports::factors::{CodeDelivery, CodeDigester, CodeMessage, DeliveryError};
use ports::sessions::{SigningError, TokenSigner};
use ports::tokens::{KeySet, PublicKey};
use ports::{AuditRecord, AuditTrail, MetricEvent, RenewalOutcome, Telemetry};
use zeroize::Zeroizing;

/// Keeps the audit trail in memory.
#[derive(Default)]
pub struct Records(Mutex<Vec<AuditRecord>>);

impl Records {
    pub fn all(&self) -> Vec<AuditRecord> {
        self.0.lock().unwrap().clone()
    }
}

impl AuditTrail for Records {
    fn record(&self, record: &AuditRecord) {
        self.0.lock().unwrap().push(record.clone());
    }
}

/// Records the tokens to sign. The signed form is the token's id.
#[derive(Default)]
pub struct RecordingSigner(Mutex<HashMap<String, AccessToken>>);

impl RecordingSigner {
    /// Returns the token that was signed as `text`.
    pub fn content(&self, text: &str) -> AccessToken {
        self.0.lock().unwrap()[text].clone()
    }

    pub fn signatures(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl TokenSigner for RecordingSigner {
    fn sign(&self, token: &AccessToken) -> Result<String, SigningError> {
        self.0.lock().unwrap().insert(token.id.clone(), token.clone());
        Ok(token.id.clone())
    }
}

/// Counts metric events.
#[derive(Default)]
pub struct RecordedMetrics {
    replays: AtomicUsize,
    repeated: AtomicUsize,
}

impl RecordedMetrics {
    pub fn replays(&self) -> usize {
        self.replays.load(Ordering::SeqCst)
    }

    /// Returns the number of renewals that got the same successor again.
    pub fn repeated(&self) -> usize {
        self.repeated.load(Ordering::SeqCst)
    }
}

impl Telemetry for RecordedMetrics {
    fn record(&self, event: MetricEvent) {
        match event {
            MetricEvent::Replay => &self.replays,
            MetricEvent::Renewal(RenewalOutcome::Repeated) => &self.repeated,
            _ => return,
        }
        .fetch_add(1, Ordering::SeqCst);
    }
}

/// An empty key set: no test here reads keys.
pub struct NoKeys;

impl KeySet for NoKeys {
    fn public_keys(&self) -> Vec<PublicKey> {
        Vec::new()
    }
}

/// Records the messages to deliver.
#[derive(Default)]
pub struct SentCodes {
    sent: Mutex<Vec<CodeMessage>>,
    is_failing: AtomicBool,
    is_refusing: AtomicBool,
}

impl SentCodes {
    /// Makes the gateway refuse every recipient from now on.
    pub fn refuse_recipients(&self) {
        self.is_refusing.store(true, Ordering::SeqCst);
    }

    /// Makes deliveries fail from now on, or succeed again.
    pub fn set_failing(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::SeqCst);
    }

    pub fn last(&self) -> CodeMessage {
        self.sent.lock().unwrap().last().unwrap().clone()
    }

    /// Returns the code of a challenge.
    pub fn code(&self, challenge: &ChallengeId) -> String {
        let sent = self.sent.lock().unwrap();
        let message = sent.iter().find(|message| message.challenge == *challenge).unwrap();
        message.code.reveal().to_owned()
    }

    pub fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

#[async_trait]
impl CodeDelivery for SentCodes {
    async fn deliver(&self, message: &CodeMessage) -> Result<(), DeliveryError> {
        if self.is_failing.load(Ordering::SeqCst) {
            return Err(DeliveryError::Failed("the gateway is unreachable".into()));
        }
        if self.is_refusing.load(Ordering::SeqCst) {
            return Err(DeliveryError::RecipientRefused("there is no such mailbox".into()));
        }
        self.sent.lock().unwrap().push(message.clone());
        Ok(())
    }
}

/// Counts the digests computed for each challenge: one when its code is sent, one for each comparison.
pub struct CountingCodeDigester {
    code_digester: HmacCodeDigester,
    digests: Mutex<HashMap<String, usize>>,
}

impl Default for CountingCodeDigester {
    fn default() -> Self {
        Self {
            code_digester: HmacCodeDigester::new(&[Zeroizing::new([7; 32])]).unwrap(),
            digests: Mutex::default(),
        }
    }
}

impl CountingCodeDigester {
    /// Returns the number of times that a code was compared with that of the challenge.
    pub fn comparisons(&self, challenge: &ChallengeId) -> usize {
        let digests = self.digests.lock().unwrap();
        digests.get(challenge.as_str()).map_or(0, |made| made - 1)
    }
}

impl CodeDigester for CountingCodeDigester {
    fn digest(&self, challenge: &ChallengeId, code: &str) -> CodeDigest {
        *self
            .digests
            .lock()
            .unwrap()
            .entry(challenge.as_str().to_owned())
            .or_default() += 1;
        self.code_digester.digest(challenge, code)
    }

    fn destination(&self, contact: &ContactValue) -> SendQuotaKey {
        self.code_digester.destination(contact)
    }

    fn destination_digest(&self, contact: &ContactValue) -> [u8; 32] {
        self.code_digester.destination_digest(contact)
    }
}
