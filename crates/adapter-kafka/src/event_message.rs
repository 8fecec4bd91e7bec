use std::collections::BTreeMap;

use domain::actor::Actor;
use domain::event::{Event, EventValue};
use domain::ids::{ClientId, UserId};
use rdkafka::message::{Header, OwnedHeaders};
use serde_json::{Map, Value};

/// An event as a Kafka record (CloudEvents 1.0, Kafka protocol binding 1.0.2, section 3.2, binary content mode).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EventMessage {
    pub(crate) topic: &'static str,
    /// The user id, which is also the `partitionkey` (section 3.1): all events of a user are in one partition.
    pub(crate) key: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The JSON of `data`.
    pub(crate) value: String,
}

impl From<&Event> for EventMessage {
    fn from(event: &Event) -> Self {
        let mut headers = vec![
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", event.id.0.clone()),
            ("ce_source", event.kind.source.to_owned()),
            ("ce_type", event.kind.name.to_owned()),
            ("ce_subject", event.subject.clone()),
            ("ce_time", format!("{:.3}", event.time)),
            ("ce_partitionkey", event.user.to_string()),
            ("ce_sequence", format!("{:020}", event.sequence)),
            ("content-type", "application/json".to_owned()),
        ];
        let correlation_id = event.correlation_id.iter();
        headers.extend(correlation_id.map(|id| ("ce_correlationid", id.clone())));
        Self {
            topic: event.kind.topic,
            key: event.user.to_string(),
            headers,
            value: Value::Object(data_json(event)).to_string(),
        }
    }
}

/// Returns the members of `data`, sorted by name, so that the bytes do not depend on `serde_json`'s feature
/// `preserve_order`.
fn data_json(event: &Event) -> Map<String, Value> {
    let own = event
        .data
        .iter()
        .map(|(name, datum)| (name.as_str(), value_json(datum)));
    let members: BTreeMap<_, _> = own.chain([("by", actor_json(&event.by))]).collect();
    let members = members.into_iter();
    members.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Returns the actor as JSON: an empty object if it is unknown.
fn actor_json(actor: &Actor) -> Value {
    let Actor { user, client, operator } = actor;
    let members = [
        ("user", user.as_ref().map(UserId::as_str)),
        ("client", client.as_ref().map(ClientId::as_str)),
        ("operator", operator.as_deref()),
    ];
    let members = members.into_iter();
    let known = members.filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
    Value::Object(known.collect())
}

fn value_json(datum: &EventValue) -> Value {
    match datum {
        EventValue::Text(text) => Value::from(text.as_str()),
        EventValue::Number(number) => Value::from(*number),
        EventValue::Flag(flag) => Value::from(*flag),
        EventValue::List(list) => Value::from(list.as_slice()),
    }
}

impl EventMessage {
    pub(crate) fn owned_headers(&self) -> OwnedHeaders {
        let headers = OwnedHeaders::new_with_capacity(self.headers.len());
        self.headers.iter().fold(headers, |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::credential_lock::events::{CREDENTIAL_LOCKED, CREDENTIAL_UNLOCKED};
    use domain::event::EventType;
    use domain::factors::events::{
        FACTOR_ADDED, FACTOR_ATTEMPTS_EXHAUSTED, FACTOR_CHANGED, FACTOR_REMOVED, FACTOR_VERIFIED,
    };
    use domain::sessions::events::{SESSION_REVOKED, SESSION_STARTED};

    use super::*;
    use crate::fixtures::{USER, event_with};

    const SESSION: &str = "c03553990c261f25638e6d37";

    fn render_lock(kind: &'static EventType) -> String {
        render(kind, USER, vec![("epoch", EventValue::Number(3))])
    }

    fn render_contact(kind: &'static EventType) -> String {
        let tags = EventValue::List(vec!["MARKED_RESOURCES".to_owned()]);
        let flags = [("default", true), ("verified", true)].map(|(name, flag)| (name, EventValue::Flag(flag)));
        render(kind, USER, contact().into_iter().chain([("tags", tags)]).chain(flags))
    }

    fn contact() -> [(&'static str, EventValue); 3] {
        [
            ("factorId", "60773aa94a50c11cfe00314d".into()),
            ("contactType", "EMAIL".into()),
            ("maskedValue", "ex***le@br.e*******.com".into()),
        ]
    }

    fn render_session(kind: &'static EventType, reason: Option<&str>) -> String {
        let data = [("clientId", "portal"), ("sid", SESSION)].map(|(name, text)| (name, text.into()));
        let reason = reason.map(|reason| ("reason", reason.into()));
        render(kind, SESSION, data.into_iter().chain(reason))
    }

    fn render(
        kind: &'static EventType,
        subject: &str,
        data: impl IntoIterator<Item = (&'static str, EventValue)>,
    ) -> String {
        let data = data.into_iter().chain([("userId", USER.into())]);
        let data = data.map(|(name, value)| (name.to_owned(), value)).collect();
        let message = EventMessage::from(&event_with(kind, subject, data, 7));
        let headers: Vec<_> = message
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let headers = headers.join("\n");
        format!("{} {}\n{headers}\n\n{}", message.topic, message.key, message.value)
    }

    #[test]
    fn a_locked_credential_is_encoded() {
        insta::assert_snapshot!(render_lock(CREDENTIAL_LOCKED), @r#"
        authme.credential.v1 5efd263cbe2d398bb00b97ea
        ce_specversion: 1.0
        ce_id: 01a20667-a0e4-7a74-bc92-24353437c8fb
        ce_source: /authme/credential-lock
        ce_type: credential.locked
        ce_subject: 5efd263cbe2d398bb00b97ea
        ce_time: 2026-11-23T03:16:24.420Z
        ce_partitionkey: 5efd263cbe2d398bb00b97ea
        ce_sequence: 00000000000000000007
        content-type: application/json
        ce_correlationid: 6d1f0a3c5b7e9d2f4a6c8e01

        {"by":{"client":"security-desk","user":"60773aa94a50c11cfe00314f"},"epoch":3,"userId":"5efd263cbe2d398bb00b97ea"}
        "#);
    }

    #[test]
    fn an_unlocked_credential_is_encoded() {
        insta::assert_snapshot!(render_lock(CREDENTIAL_UNLOCKED), @r#"
        authme.credential.v1 5efd263cbe2d398bb00b97ea
        ce_specversion: 1.0
        ce_id: 01a20667-a0e4-7a74-bc92-24353437c8fb
        ce_source: /authme/credential-lock
        ce_type: credential.unlocked
        ce_subject: 5efd263cbe2d398bb00b97ea
        ce_time: 2026-11-23T03:16:24.420Z
        ce_partitionkey: 5efd263cbe2d398bb00b97ea
        ce_sequence: 00000000000000000007
        content-type: application/json
        ce_correlationid: 6d1f0a3c5b7e9d2f4a6c8e01

        {"by":{"client":"security-desk","user":"60773aa94a50c11cfe00314f"},"epoch":3,"userId":"5efd263cbe2d398bb00b97ea"}
        "#);
    }

    #[test]
    fn an_added_factor_is_encoded() {
        insta::assert_snapshot!(render_contact(FACTOR_ADDED), @r#"
        authme.factor.v1 5efd263cbe2d398bb00b97ea
        ce_specversion: 1.0
        ce_id: 01a20667-a0e4-7a74-bc92-24353437c8fb
        ce_source: /authme/factors
        ce_type: factor.added
        ce_subject: 5efd263cbe2d398bb00b97ea
        ce_time: 2026-11-23T03:16:24.420Z
        ce_partitionkey: 5efd263cbe2d398bb00b97ea
        ce_sequence: 00000000000000000007
        content-type: application/json
        ce_correlationid: 6d1f0a3c5b7e9d2f4a6c8e01

        {"by":{"client":"security-desk","user":"60773aa94a50c11cfe00314f"},"contactType":"EMAIL","default":true,"factorId":"60773aa94a50c11cfe00314d","maskedValue":"ex***le@br.e*******.com","tags":["MARKED_RESOURCES"],"userId":"5efd263cbe2d398bb00b97ea","verified":true}
        "#);
    }

    #[test]
    fn a_changed_factor_is_encoded() {
        insta::assert_snapshot!(render_contact(FACTOR_CHANGED), @r#"
        authme.factor.v1 5efd263cbe2d398bb00b97ea
        ce_specversion: 1.0
        ce_id: 01a20667-a0e4-7a74-bc92-24353437c8fb
        ce_source: /authme/factors
        ce_type: factor.changed
        ce_subject: 5efd263cbe2d398bb00b97ea
        ce_time: 2026-11-23T03:16:24.420Z
        ce_partitionkey: 5efd263cbe2d398bb00b97ea
        ce_sequence: 00000000000000000007
        content-type: application/json
        ce_correlationid: 6d1f0a3c5b7e9d2f4a6c8e01

        {"by":{"client":"security-desk","user":"60773aa94a50c11cfe00314f"},"contactType":"EMAIL","default":true,"factorId":"60773aa94a50c11cfe00314d","maskedValue":"ex***le@br.e*******.com","tags":["MARKED_RESOURCES"],"userId":"5efd263cbe2d398bb00b97ea","verified":true}
        "#);
    }

    #[test]
    fn a_removed_factor_is_encoded() {
        insta::assert_snapshot!(render_contact(FACTOR_REMOVED), @r#"
        authme.factor.v1 5efd263cbe2d398bb00b97ea
        ce_specversion: 1.0
        ce_id: 01a20667-a0e4-7a74-bc92-24353437c8fb
        ce_source: /authme/factors
        ce_type: factor.removed
        ce_subject: 5efd263cbe2d398bb00b97ea
        ce_time: 2026-11-23T03:16:24.420Z
        ce_partitionkey: 5efd263cbe2d398bb00b97ea
        ce_sequence: 00000000000000000007
        content-type: application/json
        ce_correlationid: 6d1f0a3c5b7e9d2f4a6c8e01

        {"by":{"client":"security-desk","user":"60773aa94a50c11cfe00314f"},"contactType":"EMAIL","default":true,"factorId":"60773aa94a50c11cfe00314d","maskedValue":"ex***le@br.e*******.com","tags":["MARKED_RESOURCES"],"userId":"5efd263cbe2d398bb00b97ea","verified":true}
        "#);
    }

    #[test]
    fn a_verified_factor_is_encoded() {
        insta::assert_snapshot!(render_contact(FACTOR_VERIFIED), @r#"
        authme.factor.v1 5efd263cbe2d398bb00b97ea
        ce_specversion: 1.0
        ce_id: 01a20667-a0e4-7a74-bc92-24353437c8fb
        ce_source: /authme/factors
        ce_type: factor.verified
        ce_subject: 5efd263cbe2d398bb00b97ea
        ce_time: 2026-11-23T03:16:24.420Z
        ce_partitionkey: 5efd263cbe2d398bb00b97ea
        ce_sequence: 00000000000000000007
        content-type: application/json
        ce_correlationid: 6d1f0a3c5b7e9d2f4a6c8e01

        {"by":{"client":"security-desk","user":"60773aa94a50c11cfe00314f"},"contactType":"EMAIL","default":true,"factorId":"60773aa94a50c11cfe00314d","maskedValue":"ex***le@br.e*******.com","tags":["MARKED_RESOURCES"],"userId":"5efd263cbe2d398bb00b97ea","verified":true}
        "#);
    }

    #[test]
    fn exhausted_attempts_are_encoded() {
        insta::assert_snapshot!(render(FACTOR_ATTEMPTS_EXHAUSTED, USER, contact().into_iter().chain([("exhausted", "factor".into())])), @r#"
        authme.factor.v1 5efd263cbe2d398bb00b97ea
        ce_specversion: 1.0
        ce_id: 01a20667-a0e4-7a74-bc92-24353437c8fb
        ce_source: /authme/factors
        ce_type: factor.attempts-exhausted
        ce_subject: 5efd263cbe2d398bb00b97ea
        ce_time: 2026-11-23T03:16:24.420Z
        ce_partitionkey: 5efd263cbe2d398bb00b97ea
        ce_sequence: 00000000000000000007
        content-type: application/json
        ce_correlationid: 6d1f0a3c5b7e9d2f4a6c8e01

        {"by":{"client":"security-desk","user":"60773aa94a50c11cfe00314f"},"contactType":"EMAIL","exhausted":"factor","factorId":"60773aa94a50c11cfe00314d","maskedValue":"ex***le@br.e*******.com","userId":"5efd263cbe2d398bb00b97ea"}
        "#);
    }

    #[test]
    fn a_started_session_is_encoded() {
        insta::assert_snapshot!(render_session(SESSION_STARTED, None), @r#"
        authme.session.v1 5efd263cbe2d398bb00b97ea
        ce_specversion: 1.0
        ce_id: 01a20667-a0e4-7a74-bc92-24353437c8fb
        ce_source: /authme/tokens
        ce_type: session.started
        ce_subject: c03553990c261f25638e6d37
        ce_time: 2026-11-23T03:16:24.420Z
        ce_partitionkey: 5efd263cbe2d398bb00b97ea
        ce_sequence: 00000000000000000007
        content-type: application/json
        ce_correlationid: 6d1f0a3c5b7e9d2f4a6c8e01

        {"by":{"client":"security-desk","user":"60773aa94a50c11cfe00314f"},"clientId":"portal","sid":"c03553990c261f25638e6d37","userId":"5efd263cbe2d398bb00b97ea"}
        "#);
    }

    #[test]
    fn a_revoked_session_is_encoded() {
        insta::assert_snapshot!(render_session(SESSION_REVOKED, Some("replay")), @r#"
        authme.session.v1 5efd263cbe2d398bb00b97ea
        ce_specversion: 1.0
        ce_id: 01a20667-a0e4-7a74-bc92-24353437c8fb
        ce_source: /authme/tokens
        ce_type: session.revoked
        ce_subject: c03553990c261f25638e6d37
        ce_time: 2026-11-23T03:16:24.420Z
        ce_partitionkey: 5efd263cbe2d398bb00b97ea
        ce_sequence: 00000000000000000007
        content-type: application/json
        ce_correlationid: 6d1f0a3c5b7e9d2f4a6c8e01

        {"by":{"client":"security-desk","user":"60773aa94a50c11cfe00314f"},"clientId":"portal","reason":"replay","sid":"c03553990c261f25638e6d37","userId":"5efd263cbe2d398bb00b97ea"}
        "#);
    }
}
