//! Merge patches (RFC 7396) of alternative contacts of each type, of credential contacts and of an unknown contact: the
//! reported changes are the changes that a client sees, and applying a patch twice changes nothing more.
#![no_main]

use domain::client::Visibility;
use domain::contact::{ContactType, Email, Mobile};
use domain::factors::{ChangedContacts, FactorSet, OwnContact, own_contacts};
use domain::identity::{Identity, MainContact};
use domain::ids::{ContactId, UserId};
use domain::time::Timestamp;
use libfuzzer_sys::fuzz_target;

const ADDED: [(ContactType, &str); 3] = [
    (
        ContactType::Email,
        r#"{"id":"e1","contactType":"EMAIL","email":"eva@example.com","tags":["MARKED_RESOURCES"]}"#,
    ),
    (
        ContactType::Mobile,
        r#"{"id":"c1","contactType":"MOBILE","mobile":{"regionCode":55,"areaCode":"11","phoneNumber":911112222}}"#,
    ),
    (
        ContactType::Mobile,
        r#"{"id":"c2","contactType":"MOBILE","mobile":{"regionCode":1,"phoneNumber":2125550100},"tags":"[\"MARKED_RESOURCES\"]"}"#,
    ),
];

fn id(text: &str) -> ContactId {
    ContactId::parse(text).expect("an id")
}

/// Returns a user who logs in with both an e-mail address and a mobile number.
fn owner(main: ContactType) -> Identity {
    Identity {
        id: UserId::parse("u1").expect("an id"),
        name: None,
        email: Some(MainContact {
            id: id("main"),
            value: Email::parse("ana@example.com").expect("an address"),
        }),
        mobile: Some(MainContact {
            id: id("second"),
            value: Mobile::parse("55", Some("11"), "911110000").expect("a number"),
        }),
        main_contact_type: main,
        roles: Vec::new(),
        groups: Vec::new(),
        businesses: Vec::new(),
    }
}

fn factor_set() -> FactorSet {
    let mut set = FactorSet::empty(owner(ContactType::Email).id);
    for (contact_type, json) in ADDED {
        let main = match contact_type {
            ContactType::Email => ContactType::Mobile,
            ContactType::Mobile => ContactType::Email,
        };
        let draft = authme_fuzz::parse_contact(json).expect("a contact");
        set.add(&owner(main), &draft, true, Timestamp::UNIX_EPOCH)
            .expect("it fits");
    }
    set
}

/// Returns the ids of the contacts that differ.
fn changed_ids(before: &[OwnContact], after: &[OwnContact]) -> ChangedContacts {
    let pairs = before.iter().zip(after);
    let mut ids: ChangedContacts = pairs
        .filter(|(before, after)| before != after)
        .map(|(_, after)| after.id.clone())
        .collect();
    ids.sort();
    ids
}

fuzz_target!(|text: &str| {
    let _no_panic = authme_fuzz::parse_replacement(text, &id("c1"));
    let Some(patch) = authme_fuzz::parse_patch(text) else {
        return;
    };
    let owner = owner(ContactType::Email);
    let before = factor_set();
    for contact in ["e1", "c1", "c2", "main", "second", "unknown"] {
        let mut set = before.clone();
        let Ok(mut reported) = set.patch(&owner, &id(contact), patch.clone(), false) else {
            assert_eq!(set, before);
            continue;
        };
        let visible = |set: &FactorSet| own_contacts(&owner, set, Visibility::Unrestricted);
        reported.sort();
        assert_eq!(reported, changed_ids(&visible(&before), &visible(&set)));
        assert_eq!(visible(&set).iter().filter(|contact| contact.is_default).count(), 1);
        let patched_once = set.clone();
        assert_eq!(
            set.patch(&owner, &id(contact), patch.clone(), false),
            Ok(ChangedContacts::new())
        );
        assert_eq!(set, patched_once);
    }
});
