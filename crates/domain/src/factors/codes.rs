//! The codes of a factor set: challenges, and the attempts that are counted against them (`docs/protocols.md` "One-time
//! codes").

use std::mem;

use super::{
    Attempts, Challenge, CodeAnswer, CodeDigest, CodeLimits, CodeTarget, ContactCodes, FactorSet, Purpose, SendQuotaKey,
};
use crate::contact::ContactValue;
use crate::identity::Identity;
use crate::ids::ContactId;
use crate::time::Timestamp;

/// The decision on an attempt, before the code is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptDecision {
    /// The attempt was counted, and the code may be compared with the digest. `None` if there is no such challenge.
    Counted(Option<CodeDigest>),
    /// A budget is used up; nothing was counted.
    Exhausted,
}

/// The widest budget that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExhaustedBudget {
    /// A new code has new attempts.
    Challenge,
    /// The contact has attempts again when its window ends.
    Contact,
    /// The user has attempts again when the window ends.
    User,
}

impl ExhaustedBudget {
    /// Returns the value of the event's member `exhausted`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Challenge => "challenge",
            Self::Contact => "factor",
            Self::User => "user",
        }
    }
}

impl FactorSet {
    /// Returns the alternative or credential contact with this id as the target of a code. `digest` computes the digest
    /// of its value.
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

    /// Replaces the challenge of the contact. Attempts that were counted before stay counted.
    pub fn start_challenge(&mut self, target: &CodeTarget, challenge: Challenge, now: Timestamp) {
        self.remove_ended_windows(now);
        find_or_insert(&mut self.codes, target).challenge = Some(challenge);
    }

    /// Returns whether the attempts of the contact or of the user are used up. Counts nothing.
    pub fn is_exhausted(&self, target: &CodeTarget, limits: &CodeLimits, now: Timestamp) -> bool {
        self.attempts.used_at(now) >= limits.attempts_per_user
            || self.attempts_of(target, now) >= limits.attempts_per_contact
    }

    /// Counts an attempt before the code is compared. It counts against the contact and the user, and against the
    /// challenge if there is one. If a budget is used up, nothing is counted.
    ///
    /// The caller saves the set before it compares. Scenario: A and 199 others send wrong codes at the same time. If
    /// each compared first, all 200 could compare before the first count. Each of them must save under the version that
    /// it read, so five count an attempt and the others find the budget used up.
    pub fn count_attempt(
        &mut self,
        target: &CodeTarget,
        answer: CodeAnswer<'_>,
        limits: &CodeLimits,
        now: Timestamp,
    ) -> AttemptDecision {
        self.remove_ended_windows(now);
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

    /// Removes the challenge that was answered correctly and marks its contact verified. Returns whether the challenge
    /// still existed: of several parallel right answers, only the first to be saved is accepted.
    pub fn accept_answer(&mut self, target: &CodeTarget, answer: CodeAnswer<'_>) -> bool {
        let is_accepted = find_mut(&mut self.codes, target)
            .and_then(|codes| codes.challenge.take_if(|challenge| challenge.is_for(target, answer)))
            .is_some();
        if is_accepted && let Some(contact) = self.contacts.iter_mut().find(|contact| contact.id == target.id) {
            contact.is_verified = true;
        }
        is_accepted
    }

    /// Returns the widest budget that is used up and not yet reported, and marks it and all narrower ones as reported.
    /// Called after a wrong answer and after a refused attempt. If the process dies before the save, the next attempt
    /// reports it.
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
        let is_challenge_due =
            challenge.is_some_and(|challenge| !mem::replace(&mut challenge.is_exhaustion_reported, true));
        // The contact's windows under other values count too. Their exhaustion may have been reported already.
        let reported = self.windows_of(target).filter(|window| window.is_exhaustion_reported);
        let is_contact_due = sum_at(now, reported) < limits.attempts_per_contact
            && self.attempts_of(target, now) >= limits.attempts_per_contact;
        if is_contact_due {
            for codes in self.codes.iter_mut().filter(|codes| codes.counts_for(target)) {
                codes.attempts.is_exhaustion_reported = true;
            }
        }
        let is_user_exhausted = self.attempts.used_at(now) >= limits.attempts_per_user;
        if is_user_exhausted && !mem::replace(&mut self.attempts.is_exhaustion_reported, true) {
            Some(ExhaustedBudget::User)
        } else if is_contact_due {
            Some(ExhaustedBudget::Contact)
        } else {
            is_challenge_due.then_some(ExhaustedBudget::Challenge)
        }
    }

    /// Removes the challenge of a contact that is changed or removed, and the contact's record if it counts no
    /// attempts.
    pub(super) fn end_challenge(&mut self, contact: &ContactId) {
        for codes in &mut self.codes {
            if codes.contact == *contact {
                codes.challenge = None;
            }
        }
        self.codes
            .retain(|codes| codes.challenge.is_some() || codes.attempts != Attempts::ZERO);
    }

    /// Returns the number of attempts of the contact and of its value under other ids.
    fn attempts_of(&self, target: &CodeTarget, now: Timestamp) -> u32 {
        sum_at(now, self.windows_of(target))
    }

    fn windows_of(&self, target: &CodeTarget) -> impl Iterator<Item = &Attempts> {
        let codes = self.codes.iter().filter(|codes| codes.counts_for(target));
        codes.map(|codes| &codes.attempts)
    }

    /// Removes the records whose window has ended and whose challenge has expired. So a removed contact leaves nothing
    /// behind once its attempts no longer count.
    pub fn remove_ended_windows(&mut self, now: Timestamp) {
        self.codes.retain(|codes| {
            let can_be_answered = codes
                .challenge
                .as_ref()
                .is_some_and(|challenge| now < challenge.expires_at);
            can_be_answered || now < codes.attempts.ends_at
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
    #[expect(clippy::indexing_slicing, reason = "the position was found or just pushed")]
    &mut codes[at]
}

#[cfg(test)]
mod tests;
