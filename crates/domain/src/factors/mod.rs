//! The contacts that a user proves possession of in multi-factor authentication: alternative contacts, one-time codes
//! and send quotas.

mod changes;
mod code_limits;
mod codes;
mod contact_codes;
pub mod events;
mod factor_set;
#[cfg(test)]
mod fixtures;
mod one_time_code;
mod own_contacts;
pub mod permissions;
mod send_quota;

pub use changes::{ChangedContacts, ContactChangeError, ContactPatch, MobilePatch, Patch};
pub use code_limits::CodeLimits;
pub use codes::{AttemptDecision, ExhaustedBudget};
pub use contact_codes::{Attempts, Challenge, CodeAnswer, CodeTarget, ContactCodes, Purpose};
use factor_set::tags_of;
pub use factor_set::{
    Added, AlternativeContact, ContactDraft, ContactRuleViolation, FactorSet, MARKED_RESOURCES,
    MAX_ALTERNATIVE_CONTACTS, MobileDraft,
};
pub use one_time_code::{ChallengeId, CodeDigest, OneTimeCode};
pub use own_contacts::{OwnContact, own_contacts};
pub use send_quota::{SendQuota, SendQuotaKey, SendQuotaSettings};
