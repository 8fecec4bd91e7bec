//! The contacts a user proves themselves with in multi-factor authentication.

pub mod events;
mod factor_set;
pub mod permissions;
mod visibility;

pub use factor_set::{
    Added, AlternativeContact, ContactDraft, FactorSet, MARKED_RESOURCES, MAX_ALTERNATIVE_CONTACTS, MobileDraft,
    Refusal,
};
pub use visibility::{OwnContact, Visibility, own_contacts};
