//! Model test: any sequence of steps with one user's contacts.

use proptest::prelude::*;

use super::*;
use crate::contact::Mobile;
use crate::factors::fixtures::owner_by_mobile;
use crate::factors::own_contacts;
use crate::identity::MainContact;

/// More contacts than a set can have. The first two are credential contacts.
const CONTACTS: [&str; 15] = [
    "main", "second", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "d0", "d1", "d2",
];

/// A draft in numbers: the contact is an index into [`CONTACTS`], the value is given by its last digits.
#[derive(Debug, Clone)]
struct Draft {
    contact: usize,
    is_email: bool,
    value: usize,
    is_marked: bool,
}

impl Draft {
    fn contact_draft(&self) -> ContactDraft {
        let contact = CONTACTS[self.contact];
        let draft = if self.is_email {
            email(contact, &address(self.value))
        } else {
            mobile(contact, &number(self.value))
        };
        if self.is_marked { with_tag(draft) } else { draft }
    }
}

/// Returns an address; 0 is the one that the user logs in with.
fn address(value: usize) -> String {
    match value {
        0 => "Ana@example.com".to_owned(),
        _ => format!("a{value}@example.com"),
    }
}

/// Returns a number; 0 is the one that the user logs in with.
fn number(value: usize) -> String {
    format!("91111{value:04}")
}

#[derive(Debug, Clone)]
enum Step {
    Add(Draft),
    Replace(Draft),
    Patch {
        contact: usize,
        email: Patch<usize>,
        number: Patch<usize>,
        marked: Patch<bool>,
        default: Patch<bool>,
    },
    Remove(usize),
}

fn patch<T: std::fmt::Debug + Clone + 'static>(
    put: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Patch<T>> {
    prop_oneof![4 => Just(Patch::Keep), 1 => Just(Patch::Remove), 3 => put.prop_map(Patch::Put)]
}

fn step() -> impl Strategy<Value = Step> {
    let contact = || 0..CONTACTS.len();
    let value = || 0..16_usize;
    let draft = || {
        (contact(), any::<bool>(), value(), any::<bool>()).prop_map(|(contact, is_email, value, is_marked)| Draft {
            contact,
            is_email,
            value,
            is_marked,
        })
    };
    let patches = (
        contact(),
        patch(value()),
        patch(value()),
        patch(any::<bool>()),
        patch(any::<bool>()),
    );
    prop_oneof![
        5 => draft().prop_map(Step::Add),
        2 => draft().prop_map(Step::Replace),
        3 => patches.prop_map(|(contact, email, number, marked, default)| Step::Patch {
            contact,
            email,
            number,
            marked,
            default,
        }),
        1 => contact().prop_map(Step::Remove),
    ]
}

/// Applies a step and returns the changed contacts, with those added or removed; `None` when the step was rejected.
fn apply(set: &mut FactorSet, owner: &Identity, step: Step) -> Option<ChangedContacts> {
    match step {
        Step::Add(draft) => {
            let draft = draft.contact_draft();
            match set.add(owner, &draft, false, Timestamp::UNIX_EPOCH).ok()? {
                Added::Stored { untagged } => Some(untagged.into_iter().chain([draft.id]).collect()),
                Added::AlreadyStored => Some(ChangedContacts::new()),
            }
        }
        Step::Replace(draft) => set.replace(owner, &draft.contact_draft(), false).ok(),
        Step::Patch {
            contact,
            email,
            number: digits,
            marked,
            default,
        } => {
            let patch = ContactPatch {
                email: email.map(address),
                mobile: digits.map(|digits| MobilePatch {
                    phone_number: put(&number(digits)),
                    ..MobilePatch::default()
                }),
                tags: marked.map(|marked| vec![MARKED_RESOURCES.to_owned(); usize::from(marked)]),
                default,
            };
            set.patch(owner, &id(CONTACTS[contact]), patch, false).ok()
        }
        Step::Remove(contact) => {
            let (removed, mut changed) = set.remove(owner, &id(CONTACTS[contact])).ok()?;
            changed.push(removed.id);
            Some(changed)
        }
    }
}

/// Returns a user who logs in with another number. Its value and id may be those of an alternative contact.
fn owner_by_another_number() -> Identity {
    Identity {
        mobile: Some(MainContact {
            id: id("c3"),
            value: Mobile::parse("55", Some("11"), &number(5)).unwrap(),
        }),
        ..owner_of_both()
    }
}

fn any_owner() -> impl Strategy<Value = Identity> {
    prop_oneof![
        4 => Just(owner_of_both()),
        4 => Just(owner_by_mobile()),
        1 => Just(owner_by_another_number()),
    ]
}

fn sort(mut ids: ChangedContacts) -> ChangedContacts {
    ids.sort();
    ids
}

/// Returns the contacts that are in only one of the two lists, or differ between them.
fn differing(before: &[OwnContact], after: &[OwnContact]) -> ChangedContacts {
    let mut ids: ChangedContacts = before.iter().chain(after).map(|contact| contact.id.clone()).collect();
    ids.sort();
    ids.dedup();
    let of = |shown: &[OwnContact], id: &ContactId| shown.iter().find(|contact| contact.id == *id).cloned();
    ids.retain(|id| of(before, id) != of(after, id));
    ids
}

fn check_rules(owner: &Identity, set: &FactorSet) -> Result<(), TestCaseError> {
    let shown = own_contacts(owner, set, Visibility::Unrestricted);
    prop_assert!(set.contacts.len() <= MAX_ALTERNATIVE_CONTACTS);
    prop_assert_eq!(shown.iter().filter(|contact| contact.is_default).count(), 1);
    for (at, contact) in shown.iter().enumerate() {
        for other in &shown[..at] {
            prop_assert_ne!(&contact.id, &other.id);
            prop_assert_ne!(contact.value.comparison_key(), other.value.comparison_key());
        }
    }
    for contact_type in [ContactType::Email, ContactType::Mobile] {
        let marked = shown
            .iter()
            .filter(|contact| contact.is_marked && contact.value.contact_type() == contact_type);
        prop_assert!(marked.count() <= 1);
    }
    Ok(())
}

proptest! {
    /// Between any two steps the operator may register the user again, with the other main contact or another number.
    #[test]
    fn any_steps_keep_the_rules_and_list_exactly_the_changes(
        steps in prop::collection::vec((any_owner(), step()), 1..80),
    ) {
        let mut set = FactorSet::empty(owner().id);
        for (owner, step) in steps {
            set.remove_credential_duplicates(&owner);
            let before = set.clone();
            let shown_before = own_contacts(&owner, &before, Visibility::Unrestricted);
            if let Some(changed) = apply(&mut set, &owner, step) {
                let shown = own_contacts(&owner, &set, Visibility::Unrestricted);
                prop_assert_eq!(sort(changed), differing(&shown_before, &shown));
            } else {
                prop_assert_eq!(&set, &before);
            }
            check_rules(&owner, &set)?;
            for contact in &set.contacts {
                let raised = before.contact(&contact.id).map_or(contact.revision == 1, |old| {
                    contact.revision == old.revision + u64::from(contact.value != old.value)
                });
                prop_assert!(raised, "{contact:?}");
            }
        }
    }
}

#[test]
fn the_owners_number_is_among_the_generated_values() {
    let own = Mobile::parse("55", Some("11"), &number(0)).unwrap();
    assert_eq!(owner_of_both().mobile.unwrap().value, own);
}
