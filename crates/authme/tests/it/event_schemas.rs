//! Compares the event schemas and the `AsyncAPI` description in `docs/` with the events that the domain creates.
#![expect(clippy::unwrap_used, reason = "an unreadable document fails its test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use adapter_http::CloudEventMessage;
use domain::actor::Actor;
use domain::contact::{ContactType, ContactValue, Email, Mobile};
use domain::credential_lock::{CredentialLock, LockCommand};
use domain::event::{EventContext, EventType, NewEvent};
use domain::factors::events::{FACTOR_ADDED, FACTOR_CHANGED, FACTOR_REMOVED, FACTOR_VERIFIED};
use domain::factors::{ExhaustedBudget, OwnContact};
use domain::ids::{ClientId, ContactId, EventId, FamilyId, UserId};
use domain::sessions::events::{revocation_event, sessions_ended_event, start_event};
use domain::sessions::{EndSessionsCommand, FamilyStatus, Nonce, Origin, RefreshFamily, RevocationReason, SignIn};
use domain::time::Timestamp;
use ports::{Cursor, LoggedEvent};
use serde_json::{Map, Value, json};

type Rule = fn(&str) -> bool;

/// The patterns that schemas use, each with the same check in Rust. A schema with another pattern fails its test.
const PATTERNS: [(&str, Rule); 4] = [
    ("^[A-Za-z0-9_-]{1,64}$", |text| FamilyId::parse(text).is_ok()),
    ("^[A-Za-z0-9_.-]{1,64}$", |text| ClientId::parse(text).is_ok()),
    (
        r"^(?:\*|[^@\s]\*{1,3}|[^@\s]{2}\*+[^@\s]{2})@(?:(?:[^@.\s]{1,3}|[^@.\s]\*{3,})\.)*[^@.\s]+$",
        is_masked_email,
    ),
    (
        r"^\+[1-9][0-9]{0,2} (?:[0-9]{1,13} )?(?:[0-9]{1,2}|\*{1,4}[0-9]{2}|\*{3,10}[0-9]{4})$",
        is_masked_mobile,
    ),
];

fn is_masked_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let count = local.chars().count();
    let (first, last) = match count {
        0 => return false,
        1 => (0, 0),
        2..=4 => (1, 0),
        _ => (2, 2),
    };
    let mut hidden = local.chars().skip(first).take(count - first - last);
    let mut inner = domain.split('.').rev().skip(1);
    hidden.all(|c| c == '*') && inner.all(|label| label.chars().count() <= 3 || label.chars().skip(1).all(|c| c == '*'))
}

fn is_masked_mobile(text: &str) -> bool {
    let Some((region, rest)) = text.strip_prefix('+').and_then(|text| text.split_once(' ')) else {
        return false;
    };
    let number = rest.rsplit(' ').next().unwrap_or_default();
    let end = number.trim_start_matches('*');
    let allowed = if number.len() <= 6 { 2 } else { 4 };
    [region, end]
        .iter()
        .all(|part| part.bytes().all(|b| b.is_ascii_digit()))
        && (1..=allowed).contains(&end.len())
}

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn schema(kind: &str) -> Value {
    let text = fs::read_to_string(docs().join("schemas").join(format!("{kind}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Returns how `value` violates `schema`. A keyword that is not implemented here panics.
fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, expected) in schema.as_object().unwrap() {
        let is_valid = match keyword.as_str() {
            "$schema" | "title" | "description" | "examples" | "then" | "else" => true,
            "type" => is_of_type(value, expected.as_str().unwrap()),
            "enum" => expected.as_array().unwrap().contains(value),
            "const" => expected == value,
            "minimum" => value.as_u64() >= expected.as_u64(),
            "uniqueItems" => value
                .as_array()
                .is_none_or(|items| items.iter().map(Value::to_string).collect::<BTreeSet<_>>().len() == items.len()),
            "pattern" => value
                .as_str()
                .is_none_or(|text| matches_pattern(expected.as_str().unwrap(), text)),
            "required" => texts(expected).iter().all(|name| value.get(name).is_some()),
            "additionalProperties" => {
                assert_eq!(*expected, json!(false));
                names(value).is_subset(&names(&schema["properties"]))
            }
            "properties" => {
                for (name, inner) in expected.as_object().unwrap() {
                    found.extend(value.get(name).into_iter().flat_map(|value| violations(inner, value)));
                }
                true
            }
            "items" => {
                found.extend(
                    value
                        .as_array()
                        .into_iter()
                        .flatten()
                        .flat_map(|item| violations(expected, item)),
                );
                true
            }
            "if" => {
                let branch = if violations(expected, value).is_empty() {
                    "then"
                } else {
                    "else"
                };
                found.extend(violations(&schema[branch], value));
                true
            }
            "minItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 >= expected.as_u64().unwrap()),
            "maxItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 <= expected.as_u64().unwrap()),
            unknown => panic!("this test does not implement the keyword `{unknown}`"),
        };
        if !is_valid {
            found.push(format!("{value} breaks `{keyword}`: {expected}"));
        }
    }
    found
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        unknown => panic!("this test does not implement the type `{unknown}`"),
    }
}

fn matches_pattern(pattern: &str, text: &str) -> bool {
    let known = PATTERNS.iter().find(|(known, _)| *known == pattern);
    known
        .unwrap_or_else(|| panic!("this test does not implement the pattern `{pattern}`"))
        .1(text)
}

fn texts(array: &Value) -> BTreeSet<String> {
    let texts = array.as_array().into_iter().flatten();
    texts.map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn names(object: &Value) -> BTreeSet<String> {
    object.as_object().into_iter().flat_map(Map::keys).cloned().collect()
}

/// Panics if the data of an event breaks the schema of its type.
#[track_caller]
pub(crate) fn assert_fits_its_schema(event: &Value) {
    let schema = schema(event["type"].as_str().unwrap());
    assert_eq!(violations(&schema, &event["data"]), Vec::<String>::new(), "{event}");
}

/// Returns sample events in each of their forms. The tests of a type that is not among them are those of the use case
/// that emits it: [`TestApp::events`](crate::test_app::TestApp::events) compares every event with its schema.
fn events() -> Vec<NewEvent> {
    let mut events = lock_events();
    events.extend(contact_events());
    events.extend(session_events());
    events
}

fn user() -> UserId {
    UserId::parse("5efd263cbe2d398bb00b97ea").unwrap()
}

fn context(by: Actor) -> EventContext {
    EventContext {
        id: EventId("01a20667-a0e4-7a74-bc92-24353437c8fb".to_owned()),
        time: Timestamp::UNIX_EPOCH,
        by,
        correlation_id: None,
    }
}

/// Returns a user through a client, a client on its own, and an operator.
fn actors() -> [Actor; 3] {
    let client = Some(ClientId::parse("com.example.desk").unwrap());
    let client_alone = Actor {
        client,
        ..Actor::default()
    };
    let user_through_client = Actor {
        user: Some(user()),
        ..client_alone.clone()
    };
    [user_through_client, client_alone, Actor::operator("root")]
}

fn lock_events() -> Vec<NewEvent> {
    let lock_and_unlock = |by: Actor| {
        let command = LockCommand {
            user: user(),
            reason: None,
            context: context(by),
        };
        let locked = CredentialLock::never_locked(user()).lock(&command).unwrap();
        let unlocked = locked.unlock(&command).unwrap();
        [locked, unlocked].map(|credential| domain::credential_lock::events::lock_event(&credential, &command))
    };
    actors().into_iter().flat_map(lock_and_unlock).collect()
}

fn contact_events() -> Vec<NewEvent> {
    let email = |text| ContactValue::Email(Email::parse(text).unwrap());
    let mobile = |region, area, number| ContactValue::Mobile(Mobile::parse(region, area, number).unwrap());
    let values = [
        email("example@br.experian.com"),
        email("a@localhost"),
        email("ab@mail.example.com"),
        email("žluťoučký@kůň.česko.cz"),
        mobile("55", Some("11"), "911112222"),
        mobile("351", None, "912345678"),
        mobile("1", Some("212"), "555010"),
    ];
    let mut events = Vec::new();
    let contacts = values.iter().flat_map(|value| [(value, false), (value, true)]);
    for (value, flag) in contacts {
        let contact = OwnContact {
            id: ContactId::from_random([1; 12]),
            value: value.clone(),
            is_marked: flag,
            is_credential: !flag,
            is_verified: !flag,
            is_default: flag,
        };
        for kind in [FACTOR_ADDED, FACTOR_CHANGED, FACTOR_REMOVED, FACTOR_VERIFIED] {
            let event = domain::factors::events::contact_event;
            events.push(event(context(Actor::default()), kind, &user(), &contact));
        }
        for exhausted in [
            ExhaustedBudget::Challenge,
            ExhaustedBudget::Contact,
            ExhaustedBudget::User,
        ] {
            let event = domain::factors::events::attempts_exhausted_event;
            events.push(event(context(Actor::default()), &user(), &contact, exhausted));
        }
    }
    events
}

fn session_events() -> Vec<NewEvent> {
    let mut events = Vec::new();
    for ancestors in [Vec::new(), vec![FamilyId::from_random([2; 12])]] {
        let family = RefreshFamily {
            id: FamilyId::from_random([3; 12]),
            origin: Origin {
                user: user(),
                client: ClientId::parse("com.example.portal").unwrap(),
                business: None,
                groups: Vec::new(),
                ancestors,
                epoch: 0,
                sessions_version: 0,
                administrative_groups: Vec::new(),
            },
            generation: 1,
            nonce: Nonce([1; 16]),
            previous_nonce: None,
            started_at: None,
            rotated_at: Timestamp::UNIX_EPOCH,
            absolute_expires_at: Timestamp::MAX,
            idle_expires_at: Timestamp::MAX,
            status: FamilyStatus::Active,
        };
        events.push(start_event(context(Actor::default()), &family));
        let ends = RevocationReason::ALL.map(|reason| revocation_event(context(Actor::default()), &family, reason));
        events.extend(ends);
    }
    events.extend(sign_in_events());
    events
}

fn sign_in_events() -> Vec<NewEvent> {
    let command = |kept_session| EndSessionsCommand {
        user: user(),
        kept_session,
        context: context(Actor::default()),
    };
    let commands = [command(None), command(Some((FamilyId::from_random([3; 12]), 0)))];
    let ended = commands.map(|command| sessions_ended_event(&SignIn::empty(user()).end_sessions(&command), &command));
    ended.into()
}

/// Returns the published data of every sample of a kind, or the examples of the schema if there is no sample.
fn data(kind: &'static EventType, examples: &Value) -> Vec<Value> {
    let of_kind: Vec<NewEvent> = events().into_iter().filter(|event| event.kind == kind).collect();
    if of_kind.is_empty() {
        return examples.as_array().unwrap().clone();
    }
    of_kind
        .into_iter()
        .map(|event| {
            let cursor = Cursor(1);
            let event = event.into_event("subject", user(), 1);
            let line = CloudEventMessage::from(LoggedEvent { cursor, event }).to_line();
            let mut written: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(written["type"], kind.name);
            written["data"].take()
        })
        .collect()
}

#[test]
fn every_event_fits_its_schema() {
    for kind in domain::event_types() {
        let schema = schema(kind.name);
        let written = data(kind, &schema["examples"]);
        for data in written.iter().chain(schema["examples"].as_array().unwrap()) {
            let found = violations(&schema, data);
            assert!(found.is_empty(), "{}: {found:#?}", kind.name);
        }
        let all: Vec<BTreeSet<String>> = written.iter().map(names).collect();
        let ever = all.iter().flatten().cloned().collect();
        assert_eq!(names(&schema["properties"]), ever, "{}: properties", kind.name);
        let always = all.into_iter().reduce(|some, others| &some & &others).unwrap();
        assert_eq!(texts(&schema["required"]), always, "{}: required", kind.name);
        for (name, property) in schema["properties"].as_object().unwrap() {
            if let Some(listed) = property.get("enum") {
                let seen: BTreeSet<String> = written
                    .iter()
                    .map(|data| data[name].as_str().unwrap().to_owned())
                    .collect();
                assert_eq!(texts(listed), seen, "{}: values of {name}", kind.name);
            }
        }
    }
}

#[test]
fn the_asyncapi_description_has_every_event_type() {
    let description = fs::read_to_string(docs().join("asyncapi.yaml")).unwrap();
    let line_count = |wanted: String| description.lines().filter(|line| line.trim() == wanted).count();
    for kind in domain::event_types() {
        let name = kind.name;
        assert_eq!(line_count(format!("name: {name}")), 1, "the message {name}");
        assert_eq!(
            line_count(format!("$ref: './schemas/{name}.json'")),
            1,
            "the payload of {name}"
        );
        assert_eq!(
            line_count(format!("$ref: '#/components/messages/{name}'")),
            1,
            "the channel of {name}"
        );
        assert_eq!(line_count(format!("const: {}", kind.source)), 1, "the source of {name}");
        assert_eq!(schema(name)["title"], name);
    }
    let files: BTreeSet<String> = fs::read_dir(docs().join("schemas"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        files,
        domain::event_types()
            .map(|kind| format!("{}.json", kind.name))
            .collect()
    );
}

#[test]
fn schemas_reject_invalid_data() {
    let session =
        json!({"userId": "u1", "by": {"client": "portal"}, "clientId": "portal", "sid": "s1", "reason": "replay"});
    let contact = json!({"userId": "u1", "by": {}, "factorId": "c1", "contactType": ContactType::Email.as_str(),
        "maskedValue": "ex***le@br.e*******.com", "tags": [], "default": false, "verified": true});
    let alter = |good: &Value, name: &str, value: Value| {
        let mut object = good.clone();
        object[name] = value;
        object
    };
    let without_reason = json!({"userId": "u1", "by": {}, "clientId": "portal", "sid": "s1"});
    for (kind, good, bad) in [
        ("session.revoked", &session, without_reason),
        ("session.revoked", &session, alter(&session, "reason", json!("boredom"))),
        (
            "session.revoked",
            &session,
            alter(&session, "ancestorSids", Value::Null),
        ),
        ("session.revoked", &session, alter(&session, "ip", json!("192.0.2.1"))),
        ("session.revoked", &session, alter(&session, "userId", json!("u 1"))),
        ("session.revoked", &session, alter(&session, "by", json!("portal"))),
        (
            "session.revoked",
            &session,
            alter(&session, "by", json!({"address": "192.0.2.1"})),
        ),
        (
            "factor.added",
            &contact,
            alter(&contact, "maskedValue", json!("example@br.experian.com")),
        ),
        (
            "factor.added",
            &contact,
            alter(&contact, "maskedValue", json!("ex***le@br.experian.com")),
        ),
        (
            "factor.added",
            &contact,
            alter(&contact, "maskedValue", json!("+55 11 *****2222")),
        ),
        (
            "factor.added",
            &contact,
            alter(&contact, "contactType", json!(ContactType::Mobile.as_str())),
        ),
        (
            "factor.added",
            &contact,
            alter(&contact, "tags", json!(["MARKED_RESOURCES", "MARKED_RESOURCES"])),
        ),
    ] {
        assert_eq!(violations(&schema(kind), good), Vec::<String>::new());
        assert!(!violations(&schema(kind), &bad).is_empty(), "{kind}: {bad}");
    }
    assert!(!is_masked_mobile("+55 11 911112222"));
}
