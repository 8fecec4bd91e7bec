use proptest::prelude::*;

use super::*;
use crate::client::Visibility;
use crate::factors::fixtures::{email, id, mobile, owner, owner_by_mobile, owner_of_both, set_of, with_tag};
use crate::factors::own_contacts;
use crate::identity::MainContact;

fn add(set: &mut FactorSet, draft: &ContactDraft) -> Result<Added, ContactRuleViolation> {
    set.add(&owner(), draft, true, Timestamp::UNIX_EPOCH)
}

fn empty() -> FactorSet {
    FactorSet::empty(owner().id)
}

#[test]
fn add_returns_the_first_broken_rule_in_documented_order() {
    let mut set = empty();
    let mut worst = mobile("main", "1");
    worst.tags = vec!["X".to_owned()];
    assert_eq!(add(&mut set, &worst), Err(ContactRuleViolation::IsCredential));
    worst.id = id("c1");
    let same_type = ContactDraft {
        contact_type: ContactType::Email,
        email: None,
        ..worst.clone()
    };
    assert_eq!(add(&mut set, &same_type), Err(ContactRuleViolation::SameTypeAsMain));
    assert_eq!(add(&mut set, &worst), Err(ContactRuleViolation::NotAMobile));
    let unknown_tag = ContactDraft {
        tags: worst.tags,
        ..mobile("c1", "911112222")
    };
    assert_eq!(add(&mut set, &unknown_tag), Err(ContactRuleViolation::UnknownTag));
    assert_eq!(set, empty());
}

#[test]
fn adding_the_same_contact_again_changes_nothing() {
    let mut set = empty();
    add(&mut set, &mobile("c1", "911112222")).unwrap();
    let before = set.clone();
    assert_eq!(
        add(&mut set, &with_tag(mobile("c1", "911112222"))),
        Ok(Added::AlreadyStored)
    );
    assert_eq!(set, before);
}

#[test]
fn add_rejects_a_registered_id_or_value() {
    let mut set = empty();
    add(&mut set, &mobile("c1", "911112222")).unwrap();
    assert_eq!(
        add(&mut set, &mobile("c1", "911113333")),
        Err(ContactRuleViolation::AlreadyRegistered)
    );
    assert_eq!(
        add(&mut set, &mobile("c2", "911112222")),
        Err(ContactRuleViolation::AlreadyRegistered)
    );
}

#[test]
fn add_rejects_credential_values_and_other_spellings() {
    let mut set = set_of(&[email("e1", "eva@example.com")]);
    let before = set.clone();
    for (owner, draft) in [
        (owner_of_both(), mobile("c1", "911110000")),
        (owner_by_mobile(), email("c1", "ANA@Example.COM")),
        (owner_by_mobile(), email("c1", "EVA@example.com")),
    ] {
        let added = set.add(&owner, &draft, true, Timestamp::UNIX_EPOCH);
        assert_eq!(added, Err(ContactRuleViolation::AlreadyRegistered));
    }
    let retried = set.add(
        &owner_by_mobile(),
        &email("e1", "EVA@EXAMPLE.com"),
        true,
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!((retried, set), (Ok(Added::AlreadyStored), before));
}

#[test]
fn add_reads_only_the_field_of_the_contacts_type() {
    let mut set = empty();
    let without = |draft: ContactDraft| ContactDraft {
        email: None,
        mobile: None,
        ..draft
    };
    let lacks = without(email("e1", ""));
    let result = set.add(&owner_by_mobile(), &lacks, true, Timestamp::UNIX_EPOCH);
    assert_eq!(result, Err(ContactRuleViolation::NotAnEmail));
    assert_eq!(
        add(&mut set, &without(mobile("c1", ""))),
        Err(ContactRuleViolation::NotAMobile)
    );
    add(&mut set, &mobile("c1", "911112222")).unwrap();
    let with_a_bad_mobile = email("e1", "eva@example.com");
    set.add(&owner_by_mobile(), &with_a_bad_mobile, true, Timestamp::UNIX_EPOCH)
        .unwrap();
    assert_eq!(set.contacts.len(), 2);
}

#[test]
fn add_rejects_an_eleventh_contact() {
    let mut set = empty();
    for n in 0..10 {
        add(&mut set, &mobile(&format!("c{n}"), &format!("91111222{n}"))).unwrap();
    }
    assert_eq!(
        add(&mut set, &mobile("c10", "911113333")),
        Err(ContactRuleViolation::TooMany)
    );
    assert_eq!(add(&mut set, &mobile("c3", "911112223")), Ok(Added::AlreadyStored));
    assert_eq!(
        add(&mut set, &mobile("c11", "911112223")),
        Err(ContactRuleViolation::AlreadyRegistered)
    );
}

#[test]
fn a_tag_moves_to_the_newest_contact_of_its_type() {
    let mut set = empty();
    add(&mut set, &with_tag(mobile("c1", "911112222"))).unwrap();
    let added = add(&mut set, &with_tag(mobile("c2", "911113333"))).unwrap();
    assert_eq!(
        added,
        Added::Stored {
            untagged: Some(id("c1"))
        }
    );
    let marked: Vec<_> = set
        .contacts
        .iter()
        .filter(|c| c.is_marked)
        .map(|c| c.id.clone())
        .collect();
    assert_eq!(marked, [id("c2")]);
}

#[test]
fn exactly_one_contact_is_the_default() {
    let mut set = empty();
    add(&mut set, &with_tag(mobile("c1", "911112222"))).unwrap();
    for (chosen, expected) in [
        (None, "main"),
        (Some("c1"), "c1"),
        (Some("main"), "main"),
        (Some("gone"), "main"),
    ] {
        set.chosen_default = chosen.map(id);
        let shown = own_contacts(&owner(), &set, Visibility::Unrestricted);
        let defaults: Vec<_> = shown.iter().filter(|c| c.is_default).map(|c| c.id.as_str()).collect();
        assert_eq!(defaults, [expected]);
    }
}

#[test]
fn remove_credential_duplicates_removes_them_and_moves_the_default() {
    let drafts = [
        mobile("c1", "911112222"),
        mobile("second", "911113333"),
        mobile("c3", "911110000"),
        email("e1", "ANA.Souza@example.com"),
    ];
    let mut owner = owner_of_both();
    owner.email = owner.email.map(|main| MainContact {
        value: Email::parse("ana.souza@EXAMPLE.com").unwrap(),
        ..main
    });
    for (chosen, default) in [
        (None, "main"),
        (Some("c1"), "c1"),
        (Some("second"), "second"),
        (Some("c3"), "second"),
        (Some("e1"), "main"),
    ] {
        let mut set = set_of(&drafts);
        set.chosen_default = chosen.map(id);
        set.remove_credential_duplicates(&owner);
        let shown = own_contacts(&owner, &set, Visibility::Unrestricted);
        let contacts: Vec<_> = shown.iter().map(|c| (c.id.as_str(), c.is_default)).collect();
        let expected = ["main", "second", "c1"].map(|contact| (contact, contact == default));
        assert_eq!(contacts, expected, "{chosen:?}");
        let once = set.clone();
        set.remove_credential_duplicates(&owner);
        assert_eq!(set, once);
    }
}

#[test]
fn remove_credential_duplicates_keeps_all_other_contacts() {
    let mut set = set_of(&[mobile("c1", "911112222"), mobile("c3", "911110000")]);
    set.chosen_default = Some(id("c3"));
    let before = set.clone();
    set.remove_credential_duplicates(&owner());
    assert_eq!(set, before);
}

#[test]
fn a_new_contact_does_not_inherit_a_removed_default() {
    let mut set = empty();
    set.chosen_default = Some(id("second"));
    set.remove_credential_duplicates(&owner_of_both());
    assert_eq!(set.chosen_default, Some(id("second")));
    // The operator removes `second` from the contacts that the user logs in with.
    set.remove_credential_duplicates(&owner());
    add(&mut set, &mobile("second", "911112222")).unwrap();
    let shown = own_contacts(&owner(), &set, Visibility::Unrestricted);
    let defaults: Vec<_> = shown.iter().map(|c| (c.id.as_str(), c.is_default)).collect();
    assert_eq!(defaults, [("main", true), ("second", false)]);
}

#[test]
fn only_verified_and_credential_contacts_are_shown_as_verified() {
    let mut set = set_of(&[mobile("c1", "911112222"), mobile("c2", "911113333")]);
    set.contacts[0].is_verified = false;
    let shown = own_contacts(&owner(), &set, Visibility::Unrestricted);
    let verified: Vec<_> = shown.iter().map(|c| (c.id.as_str(), c.is_verified)).collect();
    assert_eq!(verified, [("main", true), ("c1", false), ("c2", true)]);
}

#[test]
fn visibility_filters_what_is_shown() {
    let mut set = empty();
    add(&mut set, &mobile("c1", "911112222")).unwrap();
    add(&mut set, &with_tag(mobile("c2", "911113333"))).unwrap();
    let shown = |visibility| -> Vec<String> {
        own_contacts(&owner(), &set, visibility)
            .iter()
            .map(|c| c.id.to_string())
            .collect()
    };
    assert_eq!(shown(Visibility::CredentialsOnly), ["main"]);
    assert_eq!(shown(Visibility::MarkedResources), ["c2"]);
    assert_eq!(shown(Visibility::Unrestricted), ["main", "c1", "c2"]);
}

proptest! {
    #[test]
    fn add_rejects_any_other_tag(tag in prop_oneof!["\\PC{0,40}", "[A-Z_]{14,18}", "(?i:marked_resources) ?"]) {
        prop_assume!(tag != MARKED_RESOURCES);
        let mut set = empty();
        for tags in [vec![tag.clone()], vec![MARKED_RESOURCES.to_owned(), tag]] {
            let draft = ContactDraft { tags, ..mobile("c1", "911112222") };
            prop_assert_eq!(add(&mut set, &draft), Err(ContactRuleViolation::UnknownTag));
        }
        prop_assert_eq!(set, empty());
    }
}
