use super::*;
use crate::client::Visibility;
use crate::contact::ContactType;
use crate::factors::fixtures::{destination_of, email, id, mobile, owner, owner_of_both, set_of, with_tag};
use crate::factors::{Added, Attempts, Challenge, ChallengeId, CodeDigest, MARKED_RESOURCES, MAX_ALTERNATIVE_CONTACTS};
use crate::ids::ClientId;
use crate::time::Timestamp;

mod model;

/// Adds a challenge for `contact` to the set, with one attempt counted.
fn with_challenge(mut set: FactorSet, contact: &str) -> FactorSet {
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

fn challenge_count(set: &FactorSet) -> usize {
    set.codes.iter().filter(|codes| codes.challenge.is_some()).count()
}

fn ids<const N: usize>(names: [&str; N]) -> ChangedContacts {
    names.map(id).to_vec()
}

fn put(text: &str) -> Patch<String> {
    Patch::Put(text.to_owned())
}

/// Returns a patch of members of the mobile number.
fn mobile_patch(mobile: MobilePatch) -> ContactPatch {
    ContactPatch {
        mobile: Patch::Put(mobile),
        ..ContactPatch::default()
    }
}

fn number_patch(number: &str) -> ContactPatch {
    mobile_patch(MobilePatch {
        phone_number: put(number),
        ..MobilePatch::default()
    })
}

fn email_patch(email: Patch<String>) -> ContactPatch {
    ContactPatch {
        email,
        ..ContactPatch::default()
    }
}

fn tags_patch(tags: Patch<Vec<String>>) -> ContactPatch {
    ContactPatch {
        tags,
        ..ContactPatch::default()
    }
}

fn default_patch(default: Patch<bool>) -> ContactPatch {
    ContactPatch {
        default,
        ..ContactPatch::default()
    }
}

#[test]
fn replace_returns_the_first_broken_rule_in_documented_order() {
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
    for (draft, violation) in [
        (worst.clone(), ContactRuleViolation::IsCredential),
        (of("second", &worst), ContactRuleViolation::IsCredential),
        (of_main_type.clone(), ContactRuleViolation::SameTypeAsMain),
        (of("c1", &worst), ContactRuleViolation::NotAMobile),
        // An address that is older than the main contact's type may keep its type.
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
            Err(ContactChangeError::RuleViolation(violation))
        );
    }
    let unknown = of("c9", &of_main_type);
    assert_eq!(
        set.replace(&owner_of_both(), &unknown, true),
        Err(ContactChangeError::NotFound)
    );
    assert_eq!(set, before);
}

#[test]
fn replacing_a_contact_by_itself_changes_nothing() {
    let mut set = with_challenge(set_of(&[with_tag(mobile("c1", "911112222"))]), "c1");
    let before = set.clone();
    for vouched in [true, false] {
        let changed = set.replace(&owner(), &with_tag(mobile("c1", "911112222")), vouched);
        assert_eq!(changed, Ok(ChangedContacts::new()));
    }
    assert_eq!(set, before);
}

#[test]
fn changed_value_raises_the_revision_and_ends_the_challenge() {
    for vouched in [true, false] {
        let both = set_of(&[mobile("c1", "911112222"), mobile("c2", "911114444")]);
        let mut set = with_challenge(with_challenge(both, "c1"), "c2");
        let changed = set.replace(&owner(), &mobile("c1", "911113333"), vouched);
        assert_eq!(changed, Ok(ids(["c1"])));
        let contact = set.contact(&id("c1")).unwrap();
        assert_eq!(contact.value.comparison_key(), "5511911113333");
        assert_eq!((contact.revision, contact.is_verified), (2, vouched));
        assert_eq!(set.contact(&id("c2")).unwrap().revision, 1);
        assert_eq!(challenge_count(&set), 1, "the challenge of the other contact stays");
        assert!(set.codes.iter().all(|codes| codes.attempts.used == 1));
    }
}

#[test]
fn another_spelling_changes_the_contact_itself() {
    let mut set = set_of(&[email("e1", "eva@example.com")]);
    let changed = set.replace(&owner(), &email("e1", "Eva@Example.com"), false);
    assert_eq!(changed, Ok(ids(["e1"])));
    let contact = set.contact(&id("e1")).unwrap();
    assert_eq!((contact.revision, contact.is_verified), (2, false));
}

#[test]
fn changed_tags_keep_revision_verification_and_challenge() {
    let mut set = with_challenge(set_of(&[mobile("c1", "911112222")]), "c1");
    for (draft, marked) in [
        (with_tag(mobile("c1", "911112222")), true),
        (mobile("c1", "911112222"), false),
    ] {
        assert_eq!(set.replace(&owner(), &draft, false), Ok(ids(["c1"])));
        let contact = set.contact(&id("c1")).unwrap();
        assert_eq!(
            (contact.is_marked, contact.revision, contact.is_verified),
            (marked, 1, true)
        );
        assert_eq!(challenge_count(&set), 1);
    }
}

#[test]
fn moving_a_tag_changes_both_contacts() {
    let mut set = set_of(&[
        with_tag(mobile("c1", "911112222")),
        mobile("c2", "911113333"),
        with_tag(email("e1", "eva@example.com")),
    ]);
    let changed = set.replace(&owner(), &with_tag(mobile("c2", "911113333")), true);
    assert_eq!(changed, Ok(ids(["c1", "c2"])));
    let marked = |set: &FactorSet| -> ChangedContacts {
        let marked = set.contacts.iter().filter(|contact| contact.is_marked);
        marked.map(|contact| contact.id.clone()).collect()
    };
    assert_eq!(marked(&set), ids(["c2", "e1"]));
    let back = tags_patch(Patch::Put(vec![MARKED_RESOURCES.to_owned()]));
    assert_eq!(set.patch(&owner(), &id("c1"), back, true), Ok(ids(["c2", "c1"])));
    assert_eq!(marked(&set), ids(["c1", "e1"]));
}

/// Returns the number after a patch of one in New York; `None` when the patch was rejected.
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
    let value = (region.to_owned(), area, number.to_owned());
    match patched {
        Ok(changed) => {
            let is_changed = value != ("1".to_owned(), Some("212".to_owned()), "5550100".to_owned());
            let expected = if is_changed {
                ids(["c1"])
            } else {
                ChangedContacts::new()
            };
            assert_eq!(changed, expected);
            Some(value)
        }
        Err(violation) => {
            assert_eq!(
                violation,
                ContactChangeError::RuleViolation(ContactRuleViolation::NotAMobile)
            );
            None
        }
    }
}

#[test]
fn merge_patch_of_a_number_keeps_removes_and_replaces_members() {
    let value = |region: &str, area: Option<&str>, number: &str| {
        Some((region.to_owned(), area.map(str::to_owned), number.to_owned()))
    };
    let original = value("1", Some("212"), "5550100");
    let nothing = MobilePatch::default;
    for (patch, patched) in [
        (ContactPatch::default(), original.clone()),
        (mobile_patch(nothing()), original.clone()),
        (email_patch(Patch::Remove), original),
        (number_patch("5550199"), value("1", Some("212"), "5550199")),
        (
            mobile_patch(MobilePatch {
                area_code: Patch::Remove,
                ..nothing()
            }),
            value("1", None, "5550100"),
        ),
        (
            mobile_patch(MobilePatch {
                region_code: put("351"),
                area_code: Patch::Remove,
                phone_number: put("912345678"),
            }),
            value("351", None, "912345678"),
        ),
        (
            mobile_patch(MobilePatch {
                region_code: Patch::Remove,
                ..nothing()
            }),
            None,
        ),
        (
            mobile_patch(MobilePatch {
                phone_number: Patch::Remove,
                ..nothing()
            }),
            None,
        ),
        (number_patch("1"), None),
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
fn merge_patch_of_an_address_keeps_removes_and_replaces() {
    let rejected = |violation| Err(ContactChangeError::RuleViolation(violation));
    for (patch, changed, address) in [
        (ContactPatch::default(), Ok(ChangedContacts::new()), "eva@example.com"),
        (
            email_patch(put("eva@example.com")),
            Ok(ChangedContacts::new()),
            "eva@example.com",
        ),
        (email_patch(put("eve@example.com")), Ok(ids(["e1"])), "eve@example.com"),
        (
            email_patch(put("nobody")),
            rejected(ContactRuleViolation::NotAnEmail),
            "eva@example.com",
        ),
        (
            email_patch(Patch::Remove),
            rejected(ContactRuleViolation::NotAnEmail),
            "eva@example.com",
        ),
        (
            email_patch(put("Ana@example.com")),
            rejected(ContactRuleViolation::AlreadyRegistered),
            "eva@example.com",
        ),
    ] {
        let mut set = set_of(&[email("e1", "eva@example.com")]);
        assert_eq!(set.patch(&owner(), &id("e1"), patch, true), changed);
        let ContactValue::Email(email) = &set.contact(&id("e1")).unwrap().value else {
            panic!("it is an address");
        };
        assert_eq!(email.as_str(), address);
    }
}

#[test]
fn patch_rejects_a_value_of_the_other_type() {
    let mut set = set_of(&[mobile("c1", "911112222"), email("e1", "eva@example.com")]);
    let before = set.clone();
    let both = |address: &str, number: &str| ContactPatch {
        email: put(address),
        ..number_patch(number)
    };
    for (contact, patch, violation) in [
        (
            "c1",
            email_patch(put("eve@example.com")),
            ContactRuleViolation::NotAnEmail,
        ),
        (
            "c1",
            email_patch(put("not an address")),
            ContactRuleViolation::NotAnEmail,
        ),
        ("c1", both("eve@example.com", "1"), ContactRuleViolation::NotAnEmail),
        ("e1", number_patch("911113333"), ContactRuleViolation::NotAMobile),
        (
            "e1",
            mobile_patch(MobilePatch::default()),
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
        let result = set.patch(&owner(), &id(contact), patch, true);
        assert_eq!(result, Err(ContactChangeError::RuleViolation(violation)), "{contact}");
    }
    let no_mobile = ContactPatch {
        mobile: Patch::Remove,
        ..ContactPatch::default()
    };
    for (contact, patch) in [("c1", email_patch(Patch::Remove)), ("e1", no_mobile)] {
        assert_eq!(
            set.patch(&owner(), &id(contact), patch, true),
            Ok(ChangedContacts::new())
        );
    }
    assert_eq!(set, before);
}

#[test]
fn merge_patch_of_tags_keeps_removes_and_replaces() {
    let marked = || vec![MARKED_RESOURCES.to_owned()];
    for (patch, changed, is_marked) in [
        (number_patch("911112222"), Ok(ChangedContacts::new()), true),
        (number_patch("911113333"), Ok(ids(["c1"])), true),
        (tags_patch(Patch::Put(marked())), Ok(ChangedContacts::new()), true),
        (tags_patch(Patch::Put(Vec::new())), Ok(ids(["c1"])), false),
        (tags_patch(Patch::Remove), Ok(ids(["c1"])), false),
        (
            tags_patch(Patch::Put(vec!["X".to_owned()])),
            Err(ContactChangeError::RuleViolation(ContactRuleViolation::UnknownTag)),
            true,
        ),
    ] {
        let mut set = set_of(&[with_tag(mobile("c1", "911112222"))]);
        assert_eq!(set.patch(&owner(), &id("c1"), patch, true), changed);
        assert_eq!(set.contact(&id("c1")).unwrap().is_marked, is_marked);
    }
}

#[test]
fn patch_of_a_credential_contact_accepts_only_default() {
    let mut set = set_of(&[mobile("c1", "911112222")]);
    let before = set.clone();
    for contact in ["main", "second"] {
        for mut patch in [
            email_patch(put("eva@example.com")),
            email_patch(Patch::Remove),
            number_patch("911113333"),
            tags_patch(Patch::Put(Vec::new())),
            tags_patch(Patch::Remove),
        ] {
            patch.default = Patch::Put(true);
            let result = set.patch(&owner_of_both(), &id(contact), patch, true);
            assert_eq!(
                result,
                Err(ContactChangeError::RuleViolation(ContactRuleViolation::IsCredential))
            );
        }
    }
    for patch in [
        ContactPatch::default(),
        default_patch(Patch::Put(true)),
        number_patch("911113333"),
    ] {
        let result = set.patch(&owner_of_both(), &id("c9"), patch, true);
        assert_eq!(result, Err(ContactChangeError::NotFound));
    }
    assert_eq!(set, before);
    let changed = set.patch(&owner_of_both(), &id("second"), default_patch(Patch::Put(true)), true);
    assert_eq!(changed, Ok(ids(["main", "second"])));
}

#[test]
fn default_is_the_last_chosen_or_the_main_contact() {
    let mut set = set_of(&[mobile("c1", "911112222"), mobile("c2", "911113333")]);
    let unchanged = ChangedContacts::new;
    for (contact, patch, changed, default) in [
        ("main", Patch::Put(true), unchanged(), "main"),
        ("main", Patch::Put(false), unchanged(), "main"),
        ("c1", Patch::Put(false), unchanged(), "main"),
        ("c1", Patch::Put(true), ids(["main", "c1"]), "c1"),
        ("c1", Patch::Put(true), unchanged(), "c1"),
        ("c1", Patch::Keep, unchanged(), "c1"),
        ("c2", Patch::Put(false), unchanged(), "c1"),
        ("c2", Patch::Remove, unchanged(), "c1"),
        ("main", Patch::Remove, unchanged(), "c1"),
        ("c2", Patch::Put(true), ids(["c1", "c2"]), "c2"),
        ("c2", Patch::Put(false), ids(["c2", "main"]), "main"),
        ("second", Patch::Put(true), ids(["main", "second"]), "second"),
        ("second", Patch::Remove, ids(["second", "main"]), "main"),
        ("c1", Patch::Put(true), ids(["main", "c1"]), "c1"),
        ("main", Patch::Put(true), ids(["c1", "main"]), "main"),
    ] {
        let step = format!("{contact} {patch:?}");
        let result = set.patch(&owner_of_both(), &id(contact), default_patch(patch), true);
        assert_eq!(result, Ok(changed), "{step}");
        let credentials = owner_of_both().credential_contacts();
        assert_eq!(set.default_contact(&credentials), Some(&id(default)), "{step}");
    }
}

#[test]
fn patch_lists_each_changed_contact_once() {
    let mut set = set_of(&[with_tag(mobile("c1", "911112222")), mobile("c2", "911113333")]);
    set.chosen_default = Some(id("c1"));
    let everything = |number: &str| ContactPatch {
        tags: Patch::Put(vec![MARKED_RESOURCES.to_owned()]),
        default: Patch::Put(true),
        ..number_patch(number)
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
    let changed = set.patch(&owner(), &id("c2"), everything("911114444"), true);
    assert_eq!(changed, Ok(ids(["c1", "c2"])));
}

#[test]
fn remove_returns_the_contact_and_keeps_its_attempts() {
    let both = set_of(&[with_tag(mobile("c1", "911112222")), mobile("c2", "911113333")]);
    let mut set = with_challenge(with_challenge(both, "c1"), "c2");
    let original = set.view_of(&owner(), &id("c1")).unwrap();
    assert_eq!(set.remove(&owner(), &id("c1")), Ok((original, ChangedContacts::new())));
    assert_eq!(set.contact(&id("c1")), None);
    assert_eq!(challenge_count(&set), 1, "the challenge of the other contact stays");
    let used: Vec<_> = set.codes.iter().map(|codes| codes.attempts.used).collect();
    assert_eq!(used, [1, 1]);
    assert_eq!(set.remove(&owner(), &id("c1")), Err(ContactChangeError::NotFound));
}

#[test]
fn removing_the_default_makes_the_main_contact_default() {
    let mut set = set_of(&[mobile("c1", "911112222"), mobile("c2", "911113333")]);
    set.chosen_default = Some(id("c1"));
    let (_, changed) = set.remove(&owner(), &id("c2")).unwrap();
    assert_eq!(changed, ChangedContacts::new());
    let (removed, changed) = set.remove(&owner(), &id("c1")).unwrap();
    assert!(removed.is_default);
    assert_eq!(changed, ids(["main"]));
    set.add(&owner(), &mobile("c1", "911112222"), true, Timestamp::UNIX_EPOCH)
        .unwrap();
    assert!(!set.view_of(&owner(), &id("c1")).unwrap().is_default);
}

#[test]
fn remove_rejects_a_credential_contact() {
    let mut set = set_of(&[mobile("c1", "911112222")]);
    let before = set.clone();
    for contact in ["main", "second"] {
        let result = set.remove(&owner_of_both(), &id(contact));
        assert_eq!(
            result,
            Err(ContactChangeError::RuleViolation(ContactRuleViolation::IsCredential))
        );
    }
    assert_eq!(set, before);
}
