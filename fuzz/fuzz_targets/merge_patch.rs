//! A merge patch of each kind of contact, and of one the user logs in with.
#![no_main]

use domain::contact::{ContactType, Email, Mobile};
use domain::factors::{Changed, FactorSet, OwnContact, Visibility, own_contacts};
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

/// Logs in with both.
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

fn set() -> FactorSet {
    let mut set = FactorSet::empty(owner(ContactType::Email).id);
    for (contact_type, json) in ADDED {
        let main = match contact_type {
            ContactType::Email => ContactType::Mobile,
            ContactType::Mobile => ContactType::Email,
        };
        let draft = authme_fuzz::added(json).expect("a contact");
        set.add(&owner(main), &draft, true, Timestamp::UNIX_EPOCH)
            .expect("it fits");
    }
    set
}

/// The contacts that are not what they were.
fn differing(before: &[OwnContact], after: &[OwnContact]) -> Changed {
    let pairs = before.iter().zip(after);
    let mut ids: Changed = pairs
        .filter(|(before, after)| before != after)
        .map(|(_, after)| after.id.clone())
        .collect();
    ids.sort();
    ids
}

fuzz_target!(|text: &str| {
    let _read_or_refused = authme_fuzz::replaced(text, &id("c1"));
    let Some(patch) = authme_fuzz::patched(text) else {
        return;
    };
    let owner = owner(ContactType::Email);
    let before = set();
    for contact in ["e1", "c1", "c2", "main", "second", "nobody"] {
        let mut set = before.clone();
        let Ok(mut told) = set.patch(&owner, &id(contact), patch.clone(), false) else {
            assert_eq!(set, before);
            continue;
        };
        let shown = |set: &FactorSet| own_contacts(&owner, set, Visibility::Unrestricted);
        told.sort();
        assert_eq!(told, differing(&shown(&before), &shown(&set)));
        assert_eq!(shown(&set).iter().filter(|contact| contact.default).count(), 1);
        let once = set.clone();
        assert_eq!(
            set.patch(&owner, &id(contact), patch.clone(), false),
            Ok(Changed::new())
        );
        assert_eq!(set, once);
    }
});
