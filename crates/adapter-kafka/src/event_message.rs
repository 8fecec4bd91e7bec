use std::collections::BTreeMap;

use domain::event::{Datum, Event};
use rdkafka::message::{Header, OwnedHeaders};
use serde_json::{Map, Value};

use crate::topics::Topic;

/// An event as a record of Kafka: CloudEvents 1.0, Kafka protocol binding 1.0.2, section 3.2 (binary content mode).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EventMessage {
    pub(crate) topic: Topic,
    /// The user id, as the `partitionkey` (section 3.1).
    pub(crate) key: String,
    pub(crate) headers: [(&'static str, String); 9],
    /// The JSON of `data`.
    pub(crate) value: String,
}

impl From<&Event> for EventMessage {
    fn from(event: &Event) -> Self {
        Self {
            topic: Topic::of(event.kind),
            key: event.user.to_string(),
            headers: [
                ("ce_specversion", "1.0".to_owned()),
                ("ce_id", event.id.0.clone()),
                ("ce_source", event.kind.source().to_owned()),
                ("ce_type", event.kind.name().to_owned()),
                ("ce_subject", event.subject.clone()),
                ("ce_time", format!("{:.3}", event.time)),
                ("ce_partitionkey", event.user.to_string()),
                ("ce_sequence", format!("{:020}", event.sequence)),
                ("content-type", "application/json".to_owned()),
            ],
            value: Value::Object(data(event)).to_string(),
        }
    }
}

/// The members of `data`, sorted by name whatever map the build of `serde_json` has.
fn data(event: &Event) -> Map<String, Value> {
    let sorted: BTreeMap<_, _> = event.data.iter().map(|(name, datum)| (name, datum)).collect();
    sorted
        .into_iter()
        .map(|(name, datum)| (name.clone(), value(datum)))
        .collect()
}

fn value(datum: &Datum) -> Value {
    match datum {
        Datum::Text(text) => Value::from(text.as_str()),
        Datum::Number(number) => Value::from(*number),
        Datum::Flag(flag) => Value::from(*flag),
        Datum::List(list) => Value::from(list.as_slice()),
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
    use domain::event::EventKind;

    use super::*;
    use crate::samples::event;

    fn shown(kind: EventKind) -> String {
        let message = EventMessage::from(&event(kind, 7));
        let headers = message
            .headers
            .map(|(name, value)| format!("{name}: {value}"))
            .join("\n");
        format!(
            "{} {}\n{headers}\n\n{}",
            message.topic.name(),
            message.key,
            message.value
        )
    }

    #[test]
    fn a_locked_credential_is_told() {
        insta::assert_snapshot!(shown(EventKind::CredentialLocked), @r#"
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

        {"by":"security-desk","epoch":3,"userId":"5efd263cbe2d398bb00b97ea"}
        "#);
    }

    #[test]
    fn an_unlocked_credential_is_told() {
        insta::assert_snapshot!(shown(EventKind::CredentialUnlocked), @r#"
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

        {"by":"security-desk","epoch":3,"userId":"5efd263cbe2d398bb00b97ea"}
        "#);
    }

    #[test]
    fn an_added_factor_is_told() {
        insta::assert_snapshot!(shown(EventKind::FactorAdded), @r#"
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

        {"contactType":"EMAIL","default":true,"factorId":"60773aa94a50c11cfe00314d","maskedValue":"ex***le@br.e*******.com","tags":["MARKED_RESOURCES"],"userId":"5efd263cbe2d398bb00b97ea","verified":true}
        "#);
    }

    #[test]
    fn a_changed_factor_is_told() {
        insta::assert_snapshot!(shown(EventKind::FactorChanged), @r#"
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

        {"contactType":"EMAIL","default":true,"factorId":"60773aa94a50c11cfe00314d","maskedValue":"ex***le@br.e*******.com","tags":["MARKED_RESOURCES"],"userId":"5efd263cbe2d398bb00b97ea","verified":true}
        "#);
    }

    #[test]
    fn a_removed_factor_is_told() {
        insta::assert_snapshot!(shown(EventKind::FactorRemoved), @r#"
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

        {"contactType":"EMAIL","default":true,"factorId":"60773aa94a50c11cfe00314d","maskedValue":"ex***le@br.e*******.com","tags":["MARKED_RESOURCES"],"userId":"5efd263cbe2d398bb00b97ea","verified":true}
        "#);
    }

    #[test]
    fn a_verified_factor_is_told() {
        insta::assert_snapshot!(shown(EventKind::FactorVerified), @r#"
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

        {"contactType":"EMAIL","default":true,"factorId":"60773aa94a50c11cfe00314d","maskedValue":"ex***le@br.e*******.com","tags":["MARKED_RESOURCES"],"userId":"5efd263cbe2d398bb00b97ea","verified":true}
        "#);
    }

    #[test]
    fn exhausted_attempts_are_told() {
        insta::assert_snapshot!(shown(EventKind::FactorAttemptsExhausted), @r#"
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

        {"contactType":"EMAIL","exhausted":"factor","factorId":"60773aa94a50c11cfe00314d","maskedValue":"ex***le@br.e*******.com","userId":"5efd263cbe2d398bb00b97ea"}
        "#);
    }

    #[test]
    fn a_started_session_is_told() {
        insta::assert_snapshot!(shown(EventKind::SessionStarted), @r#"
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

        {"clientId":"portal","sid":"c03553990c261f25638e6d37","userId":"5efd263cbe2d398bb00b97ea"}
        "#);
    }

    #[test]
    fn a_revoked_session_is_told() {
        insta::assert_snapshot!(shown(EventKind::SessionRevoked), @r#"
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

        {"clientId":"portal","reason":"replay","sid":"c03553990c261f25638e6d37","userId":"5efd263cbe2d398bb00b97ea"}
        "#);
    }
}
