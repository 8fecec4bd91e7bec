//! The events of a factor set.

use super::{ExhaustedBudget, OwnContact, tags_of};
use crate::event::{EventContext, EventData, EventType, EventValue, NewEvent};
use crate::ids::UserId;

/// The Kafka topic of these events.
pub const TOPIC: &str = "authme.factor.v1";

const fn event_type(name: &'static str) -> EventType {
    EventType {
        name,
        source: "/authme/factors",
        topic: TOPIC,
        aggregate: "factor_sets",
    }
}

/// An alternative contact was added.
pub const FACTOR_ADDED: &EventType = &event_type("factor.added");

/// A value, a tag or the default changed. A contact that lost the tag or the default to another has an event too.
pub const FACTOR_CHANGED: &EventType = &event_type("factor.changed");

/// An alternative contact was removed.
pub const FACTOR_REMOVED: &EventType = &event_type("factor.removed");

/// A one-time code was answered correctly.
pub const FACTOR_VERIFIED: &EventType = &event_type("factor.verified");

/// The attempts of a challenge, a contact or a user are used up.
pub const FACTOR_ATTEMPTS_EXHAUSTED: &EventType = &event_type("factor.attempts-exhausted");

/// All types of events of this module.
pub const TYPES: &[&EventType] = &[
    FACTOR_ADDED,
    FACTOR_CHANGED,
    FACTOR_REMOVED,
    FACTOR_VERIFIED,
    FACTOR_ATTEMPTS_EXHAUSTED,
];

/// Returns the event of a contact that was added, removed or verified, or whose value, tag or default changed. It shows
/// the contact masked.
pub fn contact_event(context: EventContext, kind: &'static EventType, user: &UserId, contact: &OwnContact) -> NewEvent {
    let mut data = contact_data(user, contact);
    data.push(("tags".to_owned(), EventValue::List(tags_of(contact.is_marked))));
    data.push(("default".to_owned(), EventValue::Flag(contact.is_default)));
    data.push(("verified".to_owned(), EventValue::Flag(contact.is_verified)));
    NewEvent { context, kind, data }
}

/// Returns the event of a used-up budget of code attempts. `contact` is the contact of the last attempt.
pub fn attempts_exhausted_event(
    context: EventContext,
    user: &UserId,
    contact: &OwnContact,
    exhausted: ExhaustedBudget,
) -> NewEvent {
    let mut data = contact_data(user, contact);
    data.push(("exhausted".to_owned(), exhausted.as_str().into()));
    NewEvent {
        context,
        kind: FACTOR_ATTEMPTS_EXHAUSTED,
        data,
    }
}

fn contact_data(user: &UserId, contact: &OwnContact) -> EventData {
    vec![
        ("userId".to_owned(), user.as_str().into()),
        ("factorId".to_owned(), contact.id.as_str().into()),
        ("contactType".to_owned(), contact.value.contact_type().as_str().into()),
        ("maskedValue".to_owned(), EventValue::Text(contact.value.masked())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Actor;
    use crate::factors::fixtures::{email, id, mobile, owner, set_of, with_tag};
    use crate::ids::EventId;
    use crate::time::Timestamp;

    fn names(data: &EventData) -> Vec<&str> {
        data.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn context() -> EventContext {
        EventContext {
            id: EventId("e".to_owned()),
            time: Timestamp::UNIX_EPOCH,
            by: Actor::operator("tester"),
            correlation_id: Some("request-1".to_owned()),
        }
    }

    #[test]
    fn contact_event_masks_the_value_and_lists_all_members() {
        let mut set = set_of(&[
            with_tag(mobile("c1", "911112222")),
            email("e1", "example@br.experian.com"),
        ]);
        set.chosen_default = Some(id("c1"));
        set.contacts.last_mut().unwrap().is_verified = false;
        let text = |text: &str| EventValue::Text(text.to_owned());
        for (contact, kind, masked, tags, default, verified) in [
            (
                "c1",
                "MOBILE",
                "+55 11 *****2222",
                vec!["MARKED_RESOURCES".to_owned()],
                true,
                true,
            ),
            ("e1", "EMAIL", "ex***le@br.e*******.com", Vec::new(), false, false),
            ("main", "EMAIL", "a**@e******.com", Vec::new(), false, true),
        ] {
            let view = set.view_of(&owner(), &id(contact)).unwrap();
            let event = contact_event(context(), FACTOR_CHANGED, &set.user, &view);
            assert_eq!((event.kind, event.context), (FACTOR_CHANGED, context()));
            let names = names(&event.data);
            assert_eq!(
                names,
                [
                    "userId",
                    "factorId",
                    "contactType",
                    "maskedValue",
                    "tags",
                    "default",
                    "verified"
                ]
            );
            let values: Vec<_> = event.data.iter().map(|(_, value)| value.clone()).collect();
            let expected = [
                text("u1"),
                text(contact),
                text(kind),
                text(masked),
                EventValue::List(tags),
                EventValue::Flag(default),
                EventValue::Flag(verified),
            ];
            assert_eq!(values, expected);
        }
    }

    #[test]
    fn exhaustion_event_names_the_budget() {
        let set = set_of(&[mobile("c1", "911112222")]);
        let contact = set.view_of(&owner(), &id("c1")).unwrap();
        for (exhausted, name) in [
            (ExhaustedBudget::Challenge, "challenge"),
            (ExhaustedBudget::Contact, "factor"),
            (ExhaustedBudget::User, "user"),
        ] {
            let event = attempts_exhausted_event(context(), &set.user, &contact, exhausted);
            assert_eq!(event.kind, FACTOR_ATTEMPTS_EXHAUSTED);
            assert_eq!(
                names(&event.data),
                ["userId", "factorId", "contactType", "maskedValue", "exhausted"]
            );
            assert_eq!(event.data.last().unwrap().1, EventValue::Text(name.to_owned()));
        }
    }
}
