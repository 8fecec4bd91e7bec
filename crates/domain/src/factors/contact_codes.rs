//! The codes of one contact, and who may answer them.

use std::fmt;
use std::time::Duration;

use super::{ChallengeId, CodeDigest, SendQuotaKey};
use crate::contact::ContactValue;
use crate::ids::{ClientId, ContactId};
use crate::time::{self, Timestamp};

/// The attempts in a window. Their number is never reduced, not even by a right answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// The number of attempts, right or wrong.
    pub used: u32,
    /// The first instant at which the attempts no longer count.
    pub ends_at: Timestamp,
    /// The event for the used-up budget was pushed; a window has at most one.
    pub is_exhaustion_reported: bool,
}

impl Attempts {
    /// A window that has not begun: the first attempt begins one.
    pub const ZERO: Self = Self {
        used: 0,
        ends_at: Timestamp::UNIX_EPOCH,
        is_exhaustion_reported: false,
    };

    pub(super) fn used_at(&self, now: Timestamp) -> u32 {
        if now < self.ends_at { self.used } else { 0 }
    }

    pub(super) fn count(&mut self, now: Timestamp, window: Duration) {
        if now >= self.ends_at {
            *self = Self {
                ends_at: time::after(now, window),
                ..Self::ZERO
            };
        }
        self.used = self.used.saturating_add(1);
    }
}

/// The purpose of a code, stored with its challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Proves possession of an unverified contact for the first time.
    Verify,
    /// Proves possession of a verified contact again.
    Confirm,
}

impl Purpose {
    /// Both purposes, as [`parse`](Self::parse) knows them.
    pub const ALL: [Self; 2] = [Self::Verify, Self::Confirm];

    /// Returns the name that the store uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Confirm => "confirm",
        }
    }

    /// Parses the name that the store uses; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// One sending of a code that can still be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The id that an answer must name.
    pub id: ChallengeId,
    /// The keyed digest of the id and the code.
    pub digest: CodeDigest,
    /// The contact's revision when the code was sent: a code for an old value verifies nothing.
    pub revision: u64,
    /// Depends on whether the contact was verified when the code was sent.
    pub purpose: Purpose,
    /// The client that requested the code. Only this client may answer it.
    pub client: ClientId,
    /// The number of attempts at this challenge; a new challenge starts at 0.
    pub attempts: u32,
    /// The event for the used-up attempts was pushed.
    pub is_exhaustion_reported: bool,
    /// The first instant at which an answer is no longer accepted.
    pub expires_at: Timestamp,
}

impl Challenge {
    /// Returns whether the answer names this challenge and comes from its client, and the contact's value is unchanged.
    pub(super) fn is_for(&self, target: &CodeTarget, answer: CodeAnswer<'_>) -> bool {
        answer.challenge == Some(&self.id) && *answer.client == self.client && self.revision == target.revision
    }
}

/// The codes of one contact with one value. The record outlives the contact until the window ends, so that removing a
/// contact and adding it again does not refill the budget.
#[derive(Clone, PartialEq, Eq)]
pub struct ContactCodes {
    /// May name a contact that was removed.
    pub contact: ContactId,
    /// The keyed digest of the contact's value, like [`CodeTarget::destination`].
    pub destination: String,
    /// Attempts across all challenges of the contact.
    pub attempts: Attempts,
    /// A new code replaces the old one, so a contact has at most one challenge.
    pub challenge: Option<Challenge>,
}

impl ContactCodes {
    pub(super) fn is_for_target(&self, target: &CodeTarget) -> bool {
        self.contact == target.id && self.destination == target.destination.as_str()
    }

    /// Returns whether the attempts count against the target: the record has the same contact id, or the same value
    /// under another id.
    pub(super) fn counts_for(&self, target: &CodeTarget) -> bool {
        self.contact == target.id || self.destination == target.destination.as_str()
    }
}

impl fmt::Debug for ContactCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactCodes")
            .field("contact", &self.contact)
            .field("attempts", &self.attempts)
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}

/// A contact that a code can be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeTarget {
    /// An alternative or a credential contact.
    pub id: ContactId,
    /// The recipient of the message.
    pub value: ContactValue,
    /// The keyed digest of the value, the same for all its spellings. Attempts are stored under it and may outlive the
    /// contact.
    pub destination: SendQuotaKey,
    /// The revision of an alternative contact; 0 for a credential contact.
    pub revision: u64,
    /// Depends on whether the contact is verified.
    pub purpose: Purpose,
}

/// An answer to a challenge, without its code, which is compared outside the factor set.
#[derive(Debug, Clone, Copy)]
pub struct CodeAnswer<'a> {
    /// `None` for a text that is not a challenge id.
    pub challenge: Option<&'a ChallengeId>,
    /// The calling client. Any client other than the one that requested the code finds no challenge.
    pub client: &'a ClientId,
}
