//! What a factor set knows of the codes sent to its contacts, and what trying them may cost (03-protocols 4).

use std::time::Duration;
use std::{fmt, mem};

use super::{ChallengeId, CodeDigest, FactorSet, SendQuotaKey};
use crate::contact::ContactValue;
use crate::identity::Identity;
use crate::ids::{ClientId, ContactId};
use crate::time::{self, Timestamp};

/// How often codes may be tried, and how long they live. An attempt counts whether it was right or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeLimits {
    /// Attempts of one challenge.
    pub attempts_per_challenge: u32,
    /// Attempts of one contact in a window, across challenges.
    pub attempts_per_contact: u32,
    /// Attempts of one user in a window, across contacts.
    pub attempts_per_user: u32,
    /// Begins with its first attempt.
    pub window: Duration,
    /// Of a code: at most ten minutes (NIST SP 800-63B section 3.1.3.2).
    pub lifetime: Duration,
}

impl Default for CodeLimits {
    fn default() -> Self {
        Self {
            attempts_per_challenge: 5,
            attempts_per_contact: 20,
            attempts_per_user: 50,
            window: Duration::from_hours(24),
            lifetime: Duration::from_mins(10),
        }
    }
}

/// The attempts of a window. They are never taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    pub used: u32,
    /// First instant at which they no longer count.
    pub ends_at: Timestamp,
    /// Whether it was told that they are used up.
    pub is_exhaustion_reported: bool,
}

impl Attempts {
    /// Of a window that never began.
    pub const ZERO: Self = Self {
        used: 0,
        ends_at: Timestamp::UNIX_EPOCH,
        is_exhaustion_reported: false,
    };

    fn used_at(&self, now: Timestamp) -> u32 {
        if now < self.ends_at { self.used } else { 0 }
    }

    fn count(&mut self, now: Timestamp, window: Duration) {
        if now >= self.ends_at {
            *self = Self {
                ends_at: time::after(now, window),
                ..Self::ZERO
            };
        }
        self.used = self.used.saturating_add(1);
    }
}

/// What a code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To show, for the first time, that the user has the contact.
    Verify,
    /// To show it again.
    Confirm,
}

impl Purpose {
    pub const ALL: [Self; 2] = [Self::Verify, Self::Confirm];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Confirm => "confirm",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// A code under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub id: ChallengeId,
    pub digest: CodeDigest,
    /// Of the contact when the code was sent: a code for an old value verifies nothing.
    pub revision: u64,
    pub purpose: Purpose,
    /// The client that asked for it, and alone may answer it.
    pub client: ClientId,
    pub attempts: u32,
    /// Whether it was told that they are used up.
    pub is_exhaustion_reported: bool,
    /// First instant at which it is dead.
    pub expires_at: Timestamp,
}

/// The codes of one contact. Outlives the contact until its window ends, so that adding it again refills nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct ContactCodes {
    pub contact: ContactId,
    /// Names its value without showing it, as [`CodeTarget::destination`] does.
    pub destination: String,
    pub attempts: Attempts,
    /// The one live code.
    pub challenge: Option<Challenge>,
}

impl ContactCodes {
    fn is_for_target(&self, target: &CodeTarget) -> bool {
        self.contact == target.id && self.destination == target.destination.as_str()
    }

    /// Whether its attempts are the target's: of the contact, or of its value under another id.
    fn counts_for(&self, target: &CodeTarget) -> bool {
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

/// A contact a code can be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeTarget {
    pub id: ContactId,
    pub value: ContactValue,
    /// The keyed digest of the value, the same for all its spellings: what was tried is kept by it, and may outlive the
    /// contact.
    pub destination: SendQuotaKey,
    /// Of an alternative contact; 0 for one the user logs in with.
    pub revision: u64,
    pub purpose: Purpose,
}

/// An answer to a challenge.
#[derive(Debug, Clone, Copy)]
pub struct CodeAnswer<'a> {
    /// `None` for a text that names none.
    pub challenge: Option<&'a ChallengeId>,
    pub client: &'a ClientId,
}

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptDecision {
    /// It is counted; `None` when there is no such challenge to try.
    Counted(Option<CodeDigest>),
    Exhausted,
}

/// Which attempts are used up: the widest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExhaustedBudget {
    Challenge,
    Contact,
    User,
}

impl ExhaustedBudget {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Challenge => "challenge",
            Self::Contact => "factor",
            Self::User => "user",
        }
    }
}

impl FactorSet {
    /// The contact of this id, one the user logs in with or another. `digest` makes the digest of its value.
    pub fn code_target(
        &self,
        owner: &Identity,
        id: &ContactId,
        digest: impl FnOnce(&ContactValue) -> SendQuotaKey,
    ) -> Option<CodeTarget> {
        if let Some(contact) = self.contact(id) {
            return Some(CodeTarget {
                id: contact.id.clone(),
                destination: digest(&contact.value),
                value: contact.value.clone(),
                revision: contact.revision,
                purpose: if contact.is_verified {
                    Purpose::Confirm
                } else {
                    Purpose::Verify
                },
            });
        }
        let credentials = owner.credential_contacts().into_iter();
        let mut credentials = credentials.filter(|contact| contact.id == *id);
        credentials.next().map(|contact| CodeTarget {
            id: contact.id,
            destination: digest(&contact.value),
            value: contact.value,
            revision: 0,
            purpose: Purpose::Confirm,
        })
    }

    /// Puts a challenge in the place of the one before; attempts counted until now stay counted.
    pub fn start_challenge(&mut self, target: &CodeTarget, challenge: Challenge, now: Timestamp) {
        self.forget_ended_windows(now);
        find_or_insert(&mut self.codes, target).challenge = Some(challenge);
    }

    /// Whether the attempts of the contact or of the user are used up; counts nothing.
    pub fn is_exhausted(&self, target: &CodeTarget, limits: &CodeLimits, now: Timestamp) -> bool {
        self.attempts.used_at(now) >= limits.attempts_per_user
            || self.attempts_of(target, now) >= limits.attempts_per_contact
    }

    /// Counts an attempt, before anything is compared: of the challenge when it is there, of the contact and of the
    /// user in any case. One that is used up counts nothing.
    pub fn count_attempt(
        &mut self,
        target: &CodeTarget,
        answer: CodeAnswer<'_>,
        limits: &CodeLimits,
        now: Timestamp,
    ) -> AttemptDecision {
        self.forget_ended_windows(now);
        if self.is_exhausted(target, limits, now) {
            return AttemptDecision::Exhausted;
        }
        let codes = find_or_insert(&mut self.codes, target);
        let live = codes
            .challenge
            .as_mut()
            .filter(|challenge| challenge.is_for(target, answer) && now < challenge.expires_at);
        let digest = match live {
            Some(challenge) if challenge.attempts >= limits.attempts_per_challenge => {
                return AttemptDecision::Exhausted;
            }
            Some(challenge) => {
                challenge.attempts += 1;
                Some(challenge.digest)
            }
            None => None,
        };
        codes.attempts.count(now, limits.window);
        self.attempts.count(now, limits.window);
        AttemptDecision::Counted(digest)
    }

    /// Ends the challenge that was answered rightly, and marks the contact verified; whether this answer, and no other,
    /// did.
    pub fn accept_answer(&mut self, target: &CodeTarget, answer: CodeAnswer<'_>) -> bool {
        let solved = find_mut(&mut self.codes, target)
            .and_then(|codes| codes.challenge.take_if(|challenge| challenge.is_for(target, answer)))
            .is_some();
        if solved && let Some(contact) = self.contacts.iter_mut().find(|contact| contact.id == target.id) {
            contact.is_verified = true;
        }
        solved
    }

    /// What was used up without this being told yet; from now on it counts as told. To be asked after a wrong answer.
    pub fn take_exhaustion(
        &mut self,
        target: &CodeTarget,
        answer: CodeAnswer<'_>,
        limits: &CodeLimits,
        now: Timestamp,
    ) -> Option<ExhaustedBudget> {
        let challenge = find_mut(&mut self.codes, target)
            .and_then(|codes| codes.challenge.as_mut())
            .filter(|challenge| {
                challenge.attempts >= limits.attempts_per_challenge && challenge.is_for(target, answer)
            });
        let of_challenge =
            challenge.is_some_and(|challenge| !mem::replace(&mut challenge.is_exhaustion_reported, true));
        // Attempts of a value that was changed since may have been told with it.
        let told = self.windows_of(target).filter(|window| window.is_exhaustion_reported);
        let of_factor = sum_at(now, told) < limits.attempts_per_contact
            && self.attempts_of(target, now) >= limits.attempts_per_contact;
        if of_factor {
            for codes in self.codes.iter_mut().filter(|codes| codes.counts_for(target)) {
                codes.attempts.is_exhaustion_reported = true;
            }
        }
        let used_up = self.attempts.used_at(now) >= limits.attempts_per_user;
        let of_user = used_up && !mem::replace(&mut self.attempts.is_exhaustion_reported, true);
        if of_user {
            Some(ExhaustedBudget::User)
        } else if of_factor {
            Some(ExhaustedBudget::Contact)
        } else {
            of_challenge.then_some(ExhaustedBudget::Challenge)
        }
    }

    /// Ends the code under way to a contact that is changed or removed. What was never tried is forgotten with it.
    pub(super) fn end_challenge(&mut self, contact: &ContactId) {
        for codes in &mut self.codes {
            if codes.contact == *contact {
                codes.challenge = None;
            }
        }
        self.codes
            .retain(|codes| codes.challenge.is_some() || codes.attempts != Attempts::ZERO);
    }

    /// Attempts of the contact, and of its value under another id.
    fn attempts_of(&self, target: &CodeTarget, now: Timestamp) -> u32 {
        sum_at(now, self.windows_of(target))
    }

    fn windows_of(&self, target: &CodeTarget) -> impl Iterator<Item = &Attempts> {
        let codes = self.codes.iter().filter(|codes| codes.counts_for(target));
        codes.map(|codes| &codes.attempts)
    }

    /// Forgets what counts no longer and waits for no answer, so that of a contact that is gone nothing stays
    /// longer than its attempts count.
    pub fn forget_ended_windows(&mut self, now: Timestamp) {
        self.codes.retain(|codes| {
            let waits = codes
                .challenge
                .as_ref()
                .is_some_and(|challenge| now < challenge.expires_at);
            waits || now < codes.attempts.ends_at
        });
    }
}

fn sum_at<'a>(now: Timestamp, windows: impl Iterator<Item = &'a Attempts>) -> u32 {
    windows.fold(0, |used, window| used.saturating_add(window.used_at(now)))
}

fn find_mut<'a>(codes: &'a mut [ContactCodes], target: &CodeTarget) -> Option<&'a mut ContactCodes> {
    codes.iter_mut().find(|codes| codes.is_for_target(target))
}

fn find_or_insert<'a>(codes: &'a mut Vec<ContactCodes>, target: &CodeTarget) -> &'a mut ContactCodes {
    let known = codes.iter().position(|codes| codes.is_for_target(target));
    let at = known.unwrap_or_else(|| {
        codes.push(ContactCodes {
            contact: target.id.clone(),
            destination: target.destination.as_str().to_owned(),
            attempts: Attempts::ZERO,
            challenge: None,
        });
        codes.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "it was found there, or put there")]
    &mut codes[at]
}

impl Challenge {
    /// Whether the answer names this challenge, comes from its client, and the contact is as it was.
    fn is_for(&self, target: &CodeTarget, answer: CodeAnswer<'_>) -> bool {
        answer.challenge == Some(&self.id) && *answer.client == self.client && self.revision == target.revision
    }
}

#[cfg(test)]
mod tests;
