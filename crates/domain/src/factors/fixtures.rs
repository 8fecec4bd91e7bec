//! Fixtures for the tests of this context.

use super::{ContactDraft, FactorSet, MARKED_RESOURCES, MobileDraft, SendQuotaKey};
use crate::contact::{ContactType, ContactValue, Email, Mobile};
use crate::identity::{Identity, MainContact};
use crate::ids::{ContactId, UserId};
use crate::time::Timestamp;

pub(super) fn id(text: &str) -> ContactId {
    ContactId::parse(text).unwrap()
}

/// Returns a user who logs in with an e-mail address, `main`.
pub(super) fn owner() -> Identity {
    Identity {
        id: UserId::parse("u1").unwrap(),
        name: None,
        email: Some(MainContact {
            id: id("main"),
            value: Email::parse("ana@example.com").unwrap(),
        }),
        mobile: None,
        main_contact_type: ContactType::Email,
        roles: Vec::new(),
        groups: Vec::new(),
        businesses: Vec::new(),
    }
}

/// Returns a user who logs in with an e-mail address, `main`, and a mobile number, `second`.
pub(super) fn owner_of_both() -> Identity {
    Identity {
        mobile: Some(MainContact {
            id: id("second"),
            value: Mobile::parse("55", Some("11"), "911110000").unwrap(),
        }),
        ..owner()
    }
}

/// Returns [`owner_of_both`] with the mobile number as main contact.
pub(super) fn owner_by_mobile() -> Identity {
    Identity {
        main_contact_type: ContactType::Mobile,
        ..owner_of_both()
    }
}

/// Returns a digest of the value, without a key.
pub(super) fn destination_of(value: &ContactValue) -> SendQuotaKey {
    let mut digest = [0; 32];
    for (at, byte) in value.comparison_key().bytes().enumerate() {
        digest[at % 32] ^= byte;
    }
    SendQuotaKey::destination(&digest)
}

pub(super) fn mobile(contact: &str, number: &str) -> ContactDraft {
    ContactDraft {
        id: id(contact),
        contact_type: ContactType::Mobile,
        email: Some("ignored".to_owned()),
        mobile: Some(MobileDraft {
            region_code: Some("55".to_owned()),
            area_code: Some("11".to_owned()),
            phone_number: Some(number.to_owned()),
        }),
        tags: Vec::new(),
    }
}

pub(super) fn email(contact: &str, address: &str) -> ContactDraft {
    ContactDraft {
        id: id(contact),
        contact_type: ContactType::Email,
        email: Some(address.to_owned()),
        mobile: Some(MobileDraft::default()),
        tags: Vec::new(),
    }
}

pub(super) fn with_tag(mut draft: ContactDraft) -> ContactDraft {
    draft.tags = vec![MARKED_RESOURCES.to_owned()];
    draft
}

/// Returns a set with these contacts, all verified and of either type.
pub(super) fn set_of(drafts: &[ContactDraft]) -> FactorSet {
    let mut set = FactorSet::empty(owner().id);
    for draft in drafts {
        let owner = match draft.contact_type {
            ContactType::Email => owner_by_mobile(),
            ContactType::Mobile => owner(),
        };
        set.add(&owner, draft, true, Timestamp::UNIX_EPOCH).unwrap();
    }
    set
}
