use proptest::prelude::*;
use rdkafka::message::{Header, OwnedHeaders, OwnedMessage, Timestamp as Stored};

use super::*;
use crate::event_message::EventMessage;
use crate::fixtures;

/// Sorts the data by name, because a JSON object has no order.
fn sort_data(mut event: Event) -> Event {
    event.data.sort_by(|(one, _), (other, _)| one.cmp(other));
    event
}

/// A record of a valid event. Tests change parts of it.
struct Record {
    headers: Vec<(String, Option<Vec<u8>>)>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl Record {
    fn valid(kind: &'static domain::event::EventType) -> Self {
        let message = EventMessage::from(&fixtures::event(kind, 7));
        let headers = message.headers.iter();
        Self {
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), Some(value.clone().into_bytes())))
                .collect(),
            key: Some(message.key.into_bytes()),
            value: Some(message.value.into_bytes()),
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.to_owned(), Some(value.as_bytes().to_vec())));
        self
    }

    fn read(self) -> ReceivedEvent {
        let headers = self.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: value.as_ref(),
            })
        });
        let topic = "authme.credential.v1".to_owned();
        ReceivedEvent::read(&OwnedMessage::new(
            self.value,
            self.key,
            topic,
            Stored::NotAvailable,
            2,
            41,
            Some(headers),
        ))
    }

    fn defect(self) -> Option<Defect> {
        self.read().event.err().map(|unreadable| unreadable.defect)
    }
}

fn valid_record() -> Record {
    Record::valid(domain::credential_lock::events::CREDENTIAL_LOCKED)
}

#[test]
fn every_kind_survives_a_round_trip() {
    for kind in domain::event_types() {
        let written = fixtures::event(kind, 7);
        let received = ReceivedEvent::read(&fixtures::record(&EventMessage::from(&written)));
        assert_eq!(received.event, Ok(sort_data(written)));
        assert_eq!((received.partition, received.offset), (2, 41));
        assert_eq!(received.key.as_deref(), Some(b"5efd263cbe2d398bb00b97ea".as_slice()));
        assert_eq!(received.headers.len(), 10);
    }
}

#[test]
fn missing_repeated_and_malformed_headers_are_rejected() {
    let names: Vec<_> = valid_record().headers.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 10);
    for name in names {
        let mut missing = valid_record();
        missing.headers.retain(|(key, _)| *key != name);
        match missing.defect() {
            Some(Defect::Missing(header)) => assert_eq!(header, name),
            defect => assert_eq!((defect, name.as_str()), (None, "ce_correlationid")),
        }

        let mut twice = valid_record();
        twice.headers.push((name.clone(), Some(b"1.0".to_vec())));
        assert!(
            matches!(twice.defect(), Some(Defect::Repeated(header)) if header == name),
            "{name}"
        );

        for malformed in [Some(b"\xff\xfe".to_vec()), Some(Vec::new()), None] {
            let mut record = valid_record();
            record.headers.retain(|(key, _)| *key != name);
            record.headers.push((name.clone(), malformed));
            assert!(
                matches!(record.defect(), Some(Defect::Malformed(header)) if header == name),
                "{name}"
            );
        }
    }
}

#[test]
fn wrong_header_values_are_rejected() {
    for (name, value) in [
        ("ce_specversion", "0.3"),
        ("content-type", "application/cloudevents+json"),
        ("content-type", "text/plain"),
        ("ce_source", "/authme/factors"),
        ("ce_partitionkey", "a b"),
        ("ce_time", "yesterday"),
        ("ce_sequence", "7"),
        ("ce_sequence", "00000000000000000000"),
        ("ce_sequence", "+0000000000000000007"),
        ("ce_sequence", "99999999999999999999"),
    ] {
        assert_eq!(
            valid_record().with(name, value).defect(),
            Some(Defect::Malformed(name)),
            "{value}"
        );
    }
    assert_eq!(
        valid_record().with("ce_type", "factor.renamed").defect(),
        Some(Defect::UnknownType)
    );
    assert_eq!(
        valid_record()
            .with("content-type", "Application/JSON; charset=utf-8")
            .defect(),
        None
    );
}

#[test]
fn a_wrong_key_is_rejected() {
    for key in [None, Some(b"another".to_vec())] {
        assert_eq!(Record { key, ..valid_record() }.defect(), Some(Defect::Key));
    }
}

#[test]
fn a_value_that_is_not_an_object_is_rejected() {
    for value in [None, Some(""), Some("[]"), Some("{"), Some("null"), Some("\u{0}")] {
        let value = value.map(|value| value.as_bytes().to_vec());
        assert_eq!(
            Record {
                value,
                ..valid_record()
            }
            .defect(),
            Some(Defect::Value)
        );
    }
}

#[test]
fn additions_of_a_newer_authme_are_ignored() {
    let value = br#"{"by":{"user":"u","client":7,"role":"boss"},"epoch":3,"more":{"a":1},"flags":[true],"list":["a",1],"minus":-1,"none":null}"#;
    let record = Record {
        value: Some(value.to_vec()),
        ..valid_record()
    };
    let event = record.with("ce_more", "1").read().event.unwrap();
    assert_eq!(event.data, [("epoch".to_owned(), EventValue::Number(3))]);
    let known = Actor {
        user: Some(UserId::parse("u").unwrap()),
        ..Actor::default()
    };
    assert_eq!(event.by, known);
}

#[test]
fn a_plain_id_in_by_is_an_unknown_actor() {
    let value = Some(br#"{"by":"desk","epoch":3}"#.to_vec());
    let mut record = Record {
        value,
        ..valid_record()
    };
    record.headers.retain(|(key, _)| key != "ce_correlationid");
    let event = record.read().event.unwrap();
    assert!(event.by.is_unknown() && event.correlation_id.is_none());
    assert_eq!(event.data, [("epoch".to_owned(), EventValue::Number(3))]);
}

#[test]
fn an_unreadable_record_reports_its_position() {
    let unreadable = valid_record().with("ce_id", "").read().event.unwrap_err();
    insta::assert_snapshot!(unreadable, @"the record at offset 41 of authme.credential.v1, partition 2, is not an event");
    insta::assert_snapshot!(unreadable.defect, @"its header `ce_id` cannot be read");
}

/// Panics like rdkafka's headers if a name is not UTF-8.
struct NonUtf8Header;

impl Headers for NonUtf8Header {
    fn count(&self) -> usize {
        1
    }

    fn try_get(&self, _: usize) -> Option<Header<'_, &[u8]>> {
        panic!("called `Result::unwrap()` on an `Err` value: Utf8Error")
    }
}

#[test]
fn a_header_name_that_is_not_utf_8_is_rejected() {
    assert_eq!(copy_headers(Some(&NonUtf8Header)), Err(Defect::HeaderName));
}

proptest! {
    #[test]
    fn no_record_panics(
        foreign in prop::collection::vec(("[a-z_-]{0,12}", prop::option::of(any::<Vec<u8>>())), 0..12),
        ours in prop::collection::vec((0_usize..10, any::<Vec<u8>>()), 0..3),
        key in prop::option::of(any::<Vec<u8>>()),
        value in prop::option::of(any::<Vec<u8>>()),
    ) {
        let mut record = Record { key, value, ..valid_record() };
        for (at, bytes) in ours {
            record.headers[at].1 = Some(bytes);
        }
        record.headers.extend(foreign);
        let received = record.read();
        prop_assert_eq!((received.partition, received.offset), (2, 41));
    }
}
