//! The scenario of `authme demo`, across three processes.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use adapter_kafka::ReceivedEvent;
use authme::scenario::{Step, Values, json_mismatches, templates, text};
use domain::credential_lock::events::CREDENTIAL_LOCKED;
use domain::event::{Event, EventType, EventValue};
use domain::factors::events::{FACTOR_ADDED, FACTOR_VERIFIED};
use domain::ids::{ClientId, UserId};
use domain::sessions::events::{SESSION_REVOKED, SESSION_STARTED};
use end_to_end::{Caller, ClientLogin, Fixtures, Installation, Options, Response, Servers, Service, open_event_reader};
use serde_json::{Value, json};

use crate::jwt::claims;

const EMAIL: &str = "ana.souza@br.example.com";
const MOBILE: &str = "5efd263cbe2d398bb00b97ea";
const WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn user_logs_in_renews_adds_a_contact_and_is_locked(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let fixtures = installation.register_fixtures().await;
    let ana = installation.register_user(EMAIL, &[]).await;
    installation.operate(&["role", "add", "REPORTS_APPROVER"]).await;
    installation
        .operate(&["group", "add", "Finance", "--role", "REPORTS_APPROVER"])
        .await;
    let _services = installation.start_all(&Options::default()).await;
    let caller = installation.caller();

    let values = run_scenario(&installation, &fixtures, &ana).await;
    let access = &values["ana"];
    let sid = text(&claims(access), "/sid");
    assert!(!is_active(&caller, &fixtures, access).await);
    let change = caller.add_contacts(access, &ana, &json!([])).send().await;
    assert_eq!(change.status_and_code(), (401, "02".to_owned()));

    let mut reader = open_event_reader(&servers.kafka_brokers, &[&ana]);
    let (by_portal, by_ana) = (json!({"client": "portal"}), json!({"user": ana, "client": "portal"}));
    let factor = |kind, sequence, by, is_verified| (kind, ana.as_str(), sequence, contact_of(&ana, by, is_verified));
    let expected = [
        (
            SESSION_STARTED,
            sid.as_str(),
            1,
            json!({"userId": ana, "clientId": "portal", "sid": sid, "by": by_portal}),
        ),
        factor(FACTOR_ADDED, 1, &by_portal, false),
        factor(FACTOR_VERIFIED, 2, &by_ana, true),
        (
            CREDENTIAL_LOCKED,
            ana.as_str(),
            1,
            json!({"userId": ana, "by": {"client": "desk"}, "epoch": 1}),
        ),
        (
            SESSION_REVOKED,
            sid.as_str(),
            2,
            json!({"userId": ana, "clientId": "portal", "sid": sid, "reason": "lock", "by": by_portal}),
        ),
    ];
    for (kind, subject, sequence, data) in expected {
        let received = reader.read_until_event(kind, &ana, WITHIN).await;
        assert_key_and_headers(received, (kind, subject, sequence));
        assert_eq!(data_of(received.event.as_ref().unwrap()), data);
    }
}

/// Runs the steps of the scenario up to the events, which the services publish to Kafka. Returns the saved values.
async fn run_scenario(installation: &Installation, fixtures: &Fixtures, ana: &str) -> Values {
    let caller = installation.caller();
    let clients = [&fixtures.gateway, &fixtures.portal, &fixtures.desk];
    let names = ["gateway", "portal", "desk"].map(|name| (format!("basic.{name}"), name.to_owned()));
    let mut values = Values::from(names);
    values.insert("gateway.id".to_owned(), fixtures.gateway.id.clone());
    values.insert("user".to_owned(), ana.to_owned());
    for template in templates() {
        let step = Step::read(&template, &values).expect("a step of the scenario");
        if !step.events.is_empty() {
            break;
        }
        if step.request == "POST /user-identities/lock" {
            assert!(is_active(&caller, fixtures, &values["ana"]).await);
        }
        let response = send(&caller, &clients, &step).await;
        let body = if response.body.is_empty() {
            Value::Null
        } else {
            response.json()
        };
        assert_eq!(
            step.mismatches(response.status, &body),
            Vec::<String>::new(),
            "{}",
            step.request
        );
        step.save(&body, &mut values);
        if !step.claims.is_empty() {
            let expected = Step::read(&template, &values).expect("a step of the scenario").claims;
            assert_eq!(
                json_mismatches(&expected, &claims(&values["ana"])),
                Vec::<String>::new()
            );
        }
        if step.sends_code {
            let code = sent_code(installation, &values["challenge"]);
            values.insert("code".to_owned(), code);
        }
        if step.request.ends_with("/validate") {
            send(&caller, &clients, &step).await.expect_status(422);
        }
    }
    values
}

/// Sends the request of a step to the service that has the operation.
async fn send(caller: &Caller, clients: &[&ClientLogin], step: &Step) -> Response {
    let (method, path) = step.request.split_once(' ').expect("a method and a path");
    let service = match path {
        "/user-identities/lock" => Service::CredentialLock,
        path if path.contains("/authentication-factors") => Service::Factors,
        _ => Service::Tokens,
    };
    let request = caller.request(service, method, path, &[]);
    let request = match step.authorization.split_once(' ').expect("a scheme and credentials") {
        ("Basic", id) => {
            let client = clients.iter().find(|client| client.id == id).expect("a client");
            request.basic(id, &client.secret)
        }
        (_, token) => request.bearer(token),
    };
    let request = match &step.body {
        Some(body) => request.json(body),
        None => request,
    };
    request.send().await
}

/// Returns the code from the file that the service writes without a gateway.
fn sent_code(installation: &Installation, challenge: &str) -> String {
    let outgoing = fs::read_to_string(installation.outgoing_codes()).expect("the service created the file");
    let mut messages = outgoing
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let message = messages.find(|message| message["challengeId"] == challenge);
    text(&message.expect("the code was sent"), "/code")
}

/// Introspects a token as the portal.
async fn is_active(caller: &Caller, fixtures: &Fixtures, token: &str) -> bool {
    let portal = caller.client_token(&fixtures.portal).await;
    let introspect = caller.request(Service::Tokens, "POST", "/tokens/introspect", &[]);
    let introspected = introspect.bearer(&portal).json(&json!({"token": token})).send().await;
    introspected.expect_status(200).json()["active"] == true
}

fn contact_of(user: &str, by: &Value, is_verified: bool) -> Value {
    json!({
        "userId": user,
        "by": by,
        "factorId": MOBILE,
        "contactType": "MOBILE",
        "maskedValue": "+55 11 *****2222",
        "tags": [],
        "default": false,
        "verified": is_verified,
    })
}

/// Verifies the key and all headers of an event.
fn assert_key_and_headers(received: &ReceivedEvent, (kind, subject, sequence): (&'static EventType, &str, u64)) {
    let event = received.event.as_ref().expect("an event of AuthMe");
    let user = event.user.as_str();
    assert_eq!(received.key.as_deref(), Some(user.as_bytes()));
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).expect("UTF-8");
    let headers: BTreeMap<String, String> = received
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    let time = format!("{:.3}", event.time);
    let request = event.correlation_id.as_deref().expect("the event has a correlation id");
    let expected = [
        ("ce_correlationid", request),
        ("ce_id", event.id.0.as_str()),
        ("ce_partitionkey", user),
        ("ce_sequence", &format!("{sequence:020}")),
        ("ce_source", kind.source),
        ("ce_specversion", "1.0"),
        ("ce_subject", subject),
        ("ce_time", &time),
        ("ce_type", kind.name),
        ("content-type", "application/json"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(headers, BTreeMap::from(expected));
}

fn data_of(event: &Event) -> Value {
    let value = |datum: &EventValue| match datum {
        EventValue::Text(text) => json!(text),
        EventValue::Number(number) => json!(number),
        EventValue::Flag(flag) => json!(flag),
        EventValue::List(list) => json!(list),
    };
    let mut by = serde_json::Map::new();
    let user = event.by.user.as_ref().map(UserId::as_str);
    let client = event.by.client.as_ref().map(ClientId::as_str);
    for (name, id) in [("user", user), ("client", client)] {
        by.extend(id.map(|id| (name.to_owned(), json!(id))));
    }
    let own = event.data.iter().map(|(name, datum)| (name.clone(), value(datum)));
    own.chain([("by".to_owned(), Value::Object(by))]).collect()
}
