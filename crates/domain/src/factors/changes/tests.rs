use super::*;
use crate::contact::ContactType;
use crate::factors::fixtures::{destination_of, email, id, mobile, owner, owner_of_both, set_of, tagged};
use crate::factors::{
    Added, Attempts, Challenge, ChallengeId, CodeDigest, MARKED_RESOURCES, MAX_ALTERNATIVE_CONTACTS, Visibility,
};
use crate::ids::ClientId;
use crate::time::Timestamp;

mod model;

/// Of a set with a code under way to `contact`.
fn challenged(mut set: FactorSet, contact: &str) -> FactorSet {
    let target = set.code_target(&owner_of_both(), &id(contact), destination_of).unwrap();
    let challenge = Challenge {
        id: ChallengeId::from_random([7; 16]),
        digest: CodeDigest([7; 32]),
        revision: target.revision,
        purpose: target.purpose,
        client: ClientId::parse("portal").unwrap(),
        attempts: 1,
        is_exhaustion_reported: false,
        expires_at: Timestamp::MAX,
    };
    set.start_challenge(&target, challenge, Timestamp::UNIX_EPOCH);
    for codes in &mut set.codes {
        codes.attempts = Attempts {
            used: 1,
            ends_at: Timestamp::MAX,
            is_exhaustion_reported: false,
        };
    }
    set
}

fn codes_under_way(set: &FactorSet) -> usize {
    set.codes.iter().filter(|codes| codes.challenge.is_some()).count()
}

fn ids<const N: usize>(names: [&str; N]) -> ChangedContacts {
    names.map(id).to_vec()
}

fn put(text: &str) -> Patch<String> {
    Patch::Put(text.to_owned())
}

/// A patch of parts of the mobile number.
fn of_mobile(mobile: MobilePatch) -> ContactPatch {
    ContactPatch {
        mobile: Patch::Put(mobile),
        ..ContactPatch::default()
    }
}

fn of_number(number: &str) -> ContactPatch {
    of_mobile(MobilePatch {
        phone_number: put(number),
        ..MobilePatch::default()
    })
}

fn of_email(email: Patch<String>) -> ContactPatch {
    ContactPatch {
        email,
        ..ContactPatch::default()
    }
}

fn of_tags(tags: Patch<Vec<String>>) -> ContactPatch {
    ContactPatch {
        tags,
        ..ContactPatch::default()
    }
}

fn of_default(default: Patch<bool>) -> ContactPatch {
    ContactPatch {
        default,
        ..ContactPatch::default()
    }
}

#[test]
fn the_first_broken_rule_of_a_replacement_is_told_in_the_documented_order() {
    let mut set = set_of(&[
        mobile("c1", "911112222"),
        mobile("c2", "911113333"),
        email("e1", "eva@example.com"),
    ]);
    let before = set.clone();
    let worst = ContactDraft {
        tags: vec!["X".to_owned()],
        ..mobile("main", "1")
    };
    let of = |contact: &str, draft: &ContactDraft| ContactDraft {
        id: id(contact),
        ..draft.clone()
    };
    let with_its_tags = |draft: ContactDraft| ContactDraft {
        tags: worst.tags.clone(),
        ..draft
    };
    let of_main_type = ContactDraft {
        contact_type: ContactType::Email,
        email: None,
        ..of("c1", &worst)
    };
    for (draft, refusal) in [
        (worst.clone(), ContactRuleViolation::IsCredential),
        (of("second", &worst), ContactRuleViolation::IsCredential),
        (of_main_type.clone(), ContactRuleViolation::SameTypeAsMain),
        (of("c1", &worst), ContactRuleViolation::NotAMobile),
        // It has that type since before the main contact had: it may keep it.
        (of("e1", &of_main_type), ContactRuleViolation::NotAnEmail),
        (
            with_its_tags(mobile("c1", "911113333")),
            ContactRuleViolation::UnknownTag,
        ),
        (mobile("c1", "911113333"), ContactRuleViolation::AlreadyRegistered),
        (mobile("c1", "911110000"), ContactRuleViolation::AlreadyRegistered),
        (email("e1", "ANA@example.com"), ContactRuleViolation::AlreadyRegistered),
    ] {
        assert_eq!(
            set.replace(&owner_of_both(), &draft, true),
            Err(ContactChangeError::RuleViolation(refusal))
        );
    }
    let nobodys = of("c9", &of_main_type);
    assert_eq!(
        set.replace(&owner_of_both(), &nobodys, true),
        Err(ContactChangeError::NotFound)
    );
    assert_eq!(set, before);
}

#[test]
fn a_replacement_by_the_same_is_told_nobody() {
    let mut set = challenged(set_of(&[tagged(mobile("c1", "911112222"))]), "c1");
    let before = set.clone();
    for vouched in [true, false] {
        let told = set.replace(&owner(), &tagged(mobile("c1", "911112222")), vouched);
        assert_eq!(told, Ok(ChangedContacts::new()));
    }
    assert_eq!(set, before);
}

#[test]
fn a_changed_value_is_another_revision_verified_only_when_vouched_for_and_ends_the_code() {
    for vouched in [true, false] {
        let both = set_of(&[mobile("c1", "911112222"), mobile("c2", "911114444")]);
        let mut set = challenged(challenged(both, "c1"), "c2");
        let told = set.replace(&owner(), &mobile("c1", "911113333"), vouched);
        assert_eq!(told, Ok(ids(["c1"])));
        let contact = set.contact(&id("c1")).unwrap();
        assert_eq!(contact.value.comparison_key(), "5511911113333");
        assert_eq!((contact.revision, contact.is_verified), (2, vouched));
        assert_eq!(set.contact(&id("c2")).unwrap().revision, 1);
        assert_eq!(codes_under_way(&set), 1, "that of the other contact");
        assert!(set.codes.iter().all(|codes| codes.attempts.used == 1));
    }
}

#[test]
fn another_spelling_is_a_change_and_no_second_contact() {
    let mut set = set_of(&[email("e1", "eva@example.com")]);
    let told = set.replace(&owner(), &email("e1", "Eva@Example.com"), false);
    assert_eq!(told, Ok(ids(["e1"])));
    let contact = set.contact(&id("e1")).unwrap();
    assert_eq!((contact.revision, contact.is_verified), (2, false));
}

#[test]
fn tags_alone_change_neither_revision_nor_verification_and_leave_the_code() {
    let mut set = challenged(set_of(&[mobile("c1", "911112222")]), "c1");
    for (draft, marked) in [
        (tagged(mobile("c1", "911112222")), true),
        (mobile("c1", "911112222"), false),
    ] {
        assert_eq!(set.replace(&owner(), &draft, false), Ok(ids(["c1"])));
        let contact = set.contact(&id("c1")).unwrap();
        assert_eq!(
            (contact.is_marked, contact.revision, contact.is_verified),
            (marked, 1, true)
        );
        assert_eq!(codes_under_way(&set), 1);
    }
}

#[test]
fn a_tag_is_taken_from_the_other_contact_of_its_type_and_both_are_told() {
    let mut set = set_of(&[
        tagged(mobile("c1", "911112222")),
        mobile("c2", "911113333"),
        tagged(email("e1", "eva@example.com")),
    ]);
    let told = set.replace(&owner(), &tagged(mobile("c2", "911113333")), true);
    assert_eq!(told, Ok(ids(["c1", "c2"])));
    let marked = |set: &FactorSet| -> ChangedContacts {
        let marked = set.contacts.iter().filter(|contact| contact.is_marked);
        marked.map(|contact| contact.id.clone()).collect()
    };
    assert_eq!(marked(&set), ids(["c2", "e1"]));
    let back = of_tags(Patch::Put(vec![MARKED_RESOURCES.to_owned()]));
    assert_eq!(set.patch(&owner(), &id("c1"), back, true), Ok(ids(["c2", "c1"])));
    assert_eq!(marked(&set), ids(["c1", "e1"]));
}

/// The number after a patch of one in New York, `None` where it was refused.
fn patched_number(patch: ContactPatch) -> Option<(String, Option<String>, String)> {
    let mut draft = mobile("c1", "5550100");
    draft.mobile = Some(MobileDraft {
        region_code: Some("1".to_owned()),
        area_code: Some("212".to_owned()),
        phone_number: Some("5550100".to_owned()),
    });
    let mut set = set_of(&[draft]);
    let patched = set.patch(&owner(), &id("c1"), patch, true);
    let ContactValue::Mobile(mobile) = set.contact(&id("c1")).unwrap().value.clone() else {
        panic!("it is a mobile number");
    };
    let (region, area, number) = (mobile.region(), mobile.area().map(str::to_owned), mobile.number());
    let told = patched.map(|told| (told, (region.to_owned(), area, number.to_owned())));
    match told {
        Ok((told, value)) => {
            let changed = value != ("1".to_owned(), Some("212".to_owned()), "5550100".to_owned());
            assert_eq!(told, if changed { ids(["c1"]) } else { ChangedContacts::new() });
            Some(value)
        }
        Err(refusal) => {
            assert_eq!(
                refusal,
                ContactChangeError::RuleViolation(ContactRuleViolation::NotAMobile)
            );
            None
        }
    }
}

#[test]
fn a_merge_patch_of_a_mobile_number_keeps_removes_and_puts() {
    let value = |region: &str, area: Option<&str>, number: &str| {
        Some((region.to_owned(), area.map(str::to_owned), number.to_owned()))
    };
    let as_it_was = value("1", Some("212"), "5550100");
    let nothing = MobilePatch::default;
    for (patch, patched) in [
        (ContactPatch::default(), as_it_was.clone()),
        (of_mobile(nothing()), as_it_was.clone()),
        (of_email(Patch::Remove), as_it_was),
        (of_number("5550199"), value("1", Some("212"), "5550199")),
        (
            of_mobile(MobilePatch {
                area_code: Patch::Remove,
                ..nothing()
            }),
            value("1", None, "5550100"),
        ),
        (
            of_mobile(MobilePatch {
                region_code: put("351"),
                area_code: Patch::Remove,
                phone_number: put("912345678"),
            }),
            value("351", None, "912345678"),
        ),
        (
            of_mobile(MobilePatch {
                region_code: Patch::Remove,
                ..nothing()
            }),
            None,
        ),
        (
            of_mobile(MobilePatch {
                phone_number: Patch::Remove,
                ..nothing()
            }),
            None,
        ),
        (of_number("1"), None),
        (
            ContactPatch {
                mobile: Patch::Remove,
                ..ContactPatch::default()
            },
            None,
        ),
    ] {
        assert_eq!(patched_number(patch), patched);
    }
}

#[test]
fn a_merge_patch_of_an_address_keeps_removes_and_puts() {
    let refused = |refusal| Err(ContactChangeError::RuleViolation(refusal));
    for (patch, told, address) in [
        (ContactPatch::default(), Ok(ChangedContacts::new()), "eva@example.com"),
        (
            of_email(put("eva@example.com")),
            Ok(ChangedContacts::new()),
            "eva@example.com",
        ),
        (of_email(put("eve@example.com")), Ok(ids(["e1"])), "eve@example.com"),
        (
            of_email(put("nobody")),
            refused(ContactRuleViolation::NotAnEmail),
            "eva@example.com",
        ),
        (
            of_email(Patch::Remove),
            refused(ContactRuleViolation::NotAnEmail),
            "eva@example.com",
        ),
        (
            of_email(put("Ana@example.com")),
            refused(ContactRuleViolation::AlreadyRegistered),
            "eva@example.com",
        ),
    ] {
        let mut set = set_of(&[email("e1", "eva@example.com")]);
        assert_eq!(set.patch(&owner(), &id("e1"), patch, true), told);
        let ContactValue::Email(email) = &set.contact(&id("e1")).unwrap().value else {
            panic!("it is an address");
        };
        assert_eq!(email.as_str(), address);
    }
}

#[test]
fn a_value_of_the_other_type_is_refused_and_none_of_it_is_nothing() {
    let mut set = set_of(&[mobile("c1", "911112222"), email("e1", "eva@example.com")]);
    let before = set.clone();
    let both = |address: &str, number: &str| ContactPatch {
        email: put(address),
        ..of_number(number)
    };
    for (contact, patch, refusal) in [
        ("c1", of_email(put("eve@example.com")), ContactRuleViolation::NotAnEmail),
        ("c1", of_email(put("not an address")), ContactRuleViolation::NotAnEmail),
        ("c1", both("eve@example.com", "1"), ContactRuleViolation::NotAnEmail),
        ("e1", of_number("911113333"), ContactRuleViolation::NotAMobile),
        (
            "e1",
            of_mobile(MobilePatch::default()),
            ContactRuleViolation::NotAMobile,
        ),
        (
            "e1",
            both("eve@example.com", "911113333"),
            ContactRuleViolation::NotAMobile,
        ),
        (
            "e1",
            both("not an address", "911113333"),
            ContactRuleViolation::NotAnEmail,
        ),
    ] {
        let refused = set.patch(&owner(), &id(contact), patch, true);
        assert_eq!(refused, Err(ContactChangeError::RuleViolation(refusal)), "{contact}");
    }
    let no_mobile = ContactPatch {
        mobile: Patch::Remove,
        ..ContactPatch::default()
    };
    for (contact, patch) in [("c1", of_email(Patch::Remove)), ("e1", no_mobile)] {
        assert_eq!(
            set.patch(&owner(), &id(contact), patch, true),
            Ok(ChangedContacts::new())
        );
    }
    assert_eq!(set, before);
}

#[test]
fn a_merge_patch_of_the_tags_keeps_removes_and_puts() {
    let marked = || vec![MARKED_RESOURCES.to_owned()];
    for (patch, told, is_marked) in [
        (of_number("911112222"), Ok(ChangedContacts::new()), true),
        (of_number("911113333"), Ok(ids(["c1"])), true),
        (of_tags(Patch::Put(marked())), Ok(ChangedContacts::new()), true),
        (of_tags(Patch::Put(Vec::new())), Ok(ids(["c1"])), false),
        (of_tags(Patch::Remove), Ok(ids(["c1"])), false),
        (
            of_tags(Patch::Put(vec!["X".to_owned()])),
            Err(ContactChangeError::RuleViolation(ContactRuleViolation::UnknownTag)),
            true,
        ),
    ] {
        let mut set = set_of(&[tagged(mobile("c1", "911112222"))]);
        assert_eq!(set.patch(&owner(), &id("c1"), patch, true), told);
        assert_eq!(set.contact(&id("c1")).unwrap().is_marked, is_marked);
    }
}

#[test]
fn of_a_credential_only_whether_it_is_the_default_is_patched() {
    let mut set = set_of(&[mobile("c1", "911112222")]);
    let before = set.clone();
    for contact in ["main", "second"] {
        for mut patch in [
            of_email(put("eva@example.com")),
            of_email(Patch::Remove),
            of_number("911113333"),
            of_tags(Patch::Put(Vec::new())),
            of_tags(Patch::Remove),
        ] {
            patch.default = Patch::Put(true);
            let refused = set.patch(&owner_of_both(), &id(contact), patch, true);
            assert_eq!(
                refused,
                Err(ContactChangeError::RuleViolation(ContactRuleViolation::IsCredential))
            );
        }
    }
    for patch in [
        ContactPatch::default(),
        of_default(Patch::Put(true)),
        of_number("911113333"),
    ] {
        let refused = set.patch(&owner_of_both(), &id("c9"), patch, true);
        assert_eq!(refused, Err(ContactChangeError::NotFound));
    }
    assert_eq!(set, before);
    let told = set.patch(&owner_of_both(), &id("second"), of_default(Patch::Put(true)), true);
    assert_eq!(told, Ok(ids(["main", "second"])));
}

#[test]
fn the_default_is_what_was_chosen_last_or_the_main_contact() {
    let mut set = set_of(&[mobile("c1", "911112222"), mobile("c2", "911113333")]);
    let nobody = ChangedContacts::new;
    for (contact, patch, told, default) in [
        ("main", Patch::Put(true), nobody(), "main"),
        ("main", Patch::Put(false), nobody(), "main"),
        ("c1", Patch::Put(false), nobody(), "main"),
        ("c1", Patch::Put(true), ids(["main", "c1"]), "c1"),
        ("c1", Patch::Put(true), nobody(), "c1"),
        ("c1", Patch::Keep, nobody(), "c1"),
        ("c2", Patch::Put(false), nobody(), "c1"),
        ("c2", Patch::Remove, nobody(), "c1"),
        ("main", Patch::Remove, nobody(), "c1"),
        ("c2", Patch::Put(true), ids(["c1", "c2"]), "c2"),
        ("c2", Patch::Put(false), ids(["c2", "main"]), "main"),
        ("second", Patch::Put(true), ids(["main", "second"]), "second"),
        ("second", Patch::Remove, ids(["second", "main"]), "main"),
        ("c1", Patch::Put(true), ids(["main", "c1"]), "c1"),
        ("main", Patch::Put(true), ids(["c1", "main"]), "main"),
    ] {
        let step = format!("{contact} {patch:?}");
        let given = set.patch(&owner_of_both(), &id(contact), of_default(patch), true);
        assert_eq!(given, Ok(told), "{step}");
        let credentials = owner_of_both().credential_contacts();
        assert_eq!(set.default_contact(&credentials), Some(&id(default)), "{step}");
    }
}

#[test]
fn a_patch_tells_each_contact_once_and_a_broken_one_changes_nothing() {
    let mut set = set_of(&[tagged(mobile("c1", "911112222")), mobile("c2", "911113333")]);
    set.chosen_default = Some(id("c1"));
    let everything = |number: &str| ContactPatch {
        tags: Patch::Put(vec![MARKED_RESOURCES.to_owned()]),
        default: Patch::Put(true),
        ..of_number(number)
    };
    let before = set.clone();
    let broken = set.patch(&owner(), &id("c2"), everything("911112222"), true);
    assert_eq!(
        broken,
        Err(ContactChangeError::RuleViolation(
            ContactRuleViolation::AlreadyRegistered
        ))
    );
    assert_eq!(set, before);
    let told = set.patch(&owner(), &id("c2"), everything("911114444"), true);
    assert_eq!(told, Ok(ids(["c1", "c2"])));
}

#[test]
fn a_removed_contact_is_told_as_it_was_and_its_attempts_stay_counted() {
    let both = set_of(&[tagged(mobile("c1", "911112222")), mobile("c2", "911113333")]);
    let mut set = challenged(challenged(both, "c1"), "c2");
    let as_it_was = set.view_of(&owner(), &id("c1")).unwrap();
    assert_eq!(set.remove(&owner(), &id("c1")), Ok((as_it_was, ChangedContacts::new())));
    assert_eq!(set.contact(&id("c1")), None);
    assert_eq!(codes_under_way(&set), 1, "that of the other contact");
    let used: Vec<_> = set.codes.iter().map(|codes| codes.attempts.used).collect();
    assert_eq!(used, [1, 1]);
    assert_eq!(set.remove(&owner(), &id("c1")), Err(ContactChangeError::NotFound));
}

#[test]
fn without_the_default_the_main_contact_is_again() {
    let mut set = set_of(&[mobile("c1", "911112222"), mobile("c2", "911113333")]);
    set.chosen_default = Some(id("c1"));
    let (_, told) = set.remove(&owner(), &id("c2")).unwrap();
    assert_eq!(told, ChangedContacts::new());
    let (removed, told) = set.remove(&owner(), &id("c1")).unwrap();
    assert!(removed.is_default);
    assert_eq!(told, ids(["main"]));
    set.add(&owner(), &mobile("c1", "911112222"), true, Timestamp::UNIX_EPOCH)
        .unwrap();
    assert!(!set.view_of(&owner(), &id("c1")).unwrap().is_default);
}

#[test]
fn a_credential_is_not_removed() {
    let mut set = set_of(&[mobile("c1", "911112222")]);
    let before = set.clone();
    for contact in ["main", "second"] {
        let refused = set.remove(&owner_of_both(), &id(contact));
        assert_eq!(
            refused,
            Err(ContactChangeError::RuleViolation(ContactRuleViolation::IsCredential))
        );
    }
    assert_eq!(set, before);
}
