//! The contacts a user proves themselves with in multi-factor authentication.

mod changes;
mod codes;
pub mod events;
mod factor_set;
mod one_time_code;
pub mod permissions;
#[cfg(test)]
mod samples;
mod send_limit;
mod visibility;

pub use changes::{ChangeRefusal, Changed, ContactPatch, MobilePatch, Patch};
pub use codes::{Answer, Attempts, Challenge, Charge, CodeLimits, CodeTarget, ContactCodes, Exhausted, Purpose};
use factor_set::tags_of;
pub use factor_set::{
    Added, AlternativeContact, ContactDraft, FactorSet, MARKED_RESOURCES, MAX_ALTERNATIVE_CONTACTS, MobileDraft,
    Refusal,
};
pub use one_time_code::{ChallengeId, CodeDigest, OneTimeCode};
pub use send_limit::{SendLimit, SendLimitKey, SendLimits};
pub use visibility::{OwnContact, Visibility, own_contacts};
