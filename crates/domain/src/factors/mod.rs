//! The contacts a user proves themselves with in multi-factor authentication.

mod changes;
mod codes;
pub mod events;
mod factor_set;
#[cfg(test)]
mod fixtures;
mod one_time_code;
pub mod permissions;
mod send_quota;
mod visibility;

pub use changes::{ChangedContacts, ContactChangeError, ContactPatch, MobilePatch, Patch};
pub use codes::{
    AttemptDecision, Attempts, Challenge, CodeAnswer, CodeLimits, CodeTarget, ContactCodes, ExhaustedBudget, Purpose,
};
use factor_set::tags_of;
pub use factor_set::{
    Added, AlternativeContact, ContactDraft, ContactRuleViolation, FactorSet, MARKED_RESOURCES,
    MAX_ALTERNATIVE_CONTACTS, MobileDraft,
};
pub use one_time_code::{ChallengeId, CodeDigest, OneTimeCode};
pub use send_quota::{SendQuota, SendQuotaKey, SendQuotaSettings};
pub use visibility::{OwnContact, Visibility, own_contacts};
