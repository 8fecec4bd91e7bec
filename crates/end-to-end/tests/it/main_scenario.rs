//! The scenario of `authme demo`, across three processes.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use adapter_kafka::ReceivedEvent;
use domain::credential_lock::events::CREDENTIAL_LOCKED;
use domain::event::{Event, EventType, EventValue};
use domain::factors::events::{FACTOR_ADDED, FACTOR_VERIFIED};
use domain::ids::{ClientId, UserId};
use domain::sessions::events::{SESSION_REVOKED, SESSION_STARTED};
use end_to_end::{Caller, Fixtures, Installation, Options, Response, Servers, Service, open_event_reader};
use serde_json::{Value, json};

use crate::jwt::claims;

const EMAIL: &str = "ana.souza@br.example.com";
const MOBILE: &str = "5efd263cbe2d398bb00b97ea";
const WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn user_logs_in_renews_adds_a_contact_and_is_locked(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let fixtures = installation.register_fixtures().await;
    let ana = installation.register_user(EMAIL, &[]).await;
    let _services = installation.start_all(&Options::default()).await;
    let caller = installation.caller();

    let session = start_session(&caller, &fixtures, &ana).await;
    let (access, refresh) = (session.text("accessToken"), session.text("refreshToken"));
    let sid = claims(&access)["sid"].as_str().expect("a session").to_owned();
    manage_contacts(&caller, &fixtures, (&ana, &access)).await;
    verify_contact(&caller, &installation, &access).await;
    assert!(is_active(&caller, &fixtures, &access).await);

    let desk = caller.client_token(&fixtures.desk).await;
    let locked = caller.lock(&desk, &ana).send().await;
    assert_eq!((locked.status, locked.body.as_str()), (204, ""));
    let portal = caller.client_token(&fixtures.portal).await;
    let renewal = caller.renew(&portal, &refresh, true).send().await;
    assert_eq!(renewal.status_and_code(), (412, "21".to_owned()));
    assert!(!is_active(&caller, &fixtures, &access).await);
    let change = caller
        .add_contacts(&access, &ana, &json!([mobile("other", "911113333")]))
        .send()
        .await;
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

async fn start_session(caller: &Caller, fixtures: &Fixtures, ana: &str) -> Response {
    let login = caller.client_login(&fixtures.gateway).send().await.expect_status(200);
    let gateway = login.text("accessToken");
    assert_eq!(login.text("expiresIn"), "300");
    assert!(login.json().get("refreshToken").is_none());

    let login = caller
        .handle_auth(&gateway, "portal", &json!({"email": EMAIL, "groups": []}))
        .send()
        .await;
    let login = login.expect_status(200);
    assert_eq!(
        (login.text("originClientId"), login.text("userId")),
        ("gateway".to_owned(), ana.to_owned())
    );

    let portal = caller.client_token(&fixtures.portal).await;
    let redeemed = caller.renew(&portal, &login.text("validationToken"), true).send().await;
    let first = redeemed.expect_status(200).text("refreshToken");
    let renewed = caller.renew(&portal, &first, true).send().await.expect_status(200);
    assert_ne!(renewed.text("refreshToken"), first);
    let retried = caller.renew(&portal, &first, true).send().await.expect_status(200);
    assert_eq!(retried.text("refreshToken"), renewed.text("refreshToken"));
    renewed
}

async fn manage_contacts(caller: &Caller, fixtures: &Fixtures, (ana, access): (&str, &str)) {
    let own = caller.own_contacts(access).send().await.expect_status(200).json();
    assert_eq!(own.as_array().map(Vec::len), Some(1));
    assert_eq!(own[0]["email"], "an*****za@br.e******.com");

    let portal = caller.client_token(&fixtures.portal).await;
    let contacts = json!([mobile(MOBILE, "911112222")]);
    let added = caller.add_contacts(&portal, ana, &contacts).send().await;
    assert_eq!((added.status, added.body.as_str()), (201, ""));

    let own = caller.own_contacts(access).send().await.expect_status(200).json();
    assert_eq!(own[1]["mobile"]["phoneNumber"], "*****2222");
    assert_eq!(
        (&own[1]["credential"], &own[1]["default"]),
        (&json!(false), &json!(false))
    );
}

/// Verifies the contact with the code from the file that the service writes without a gateway.
async fn verify_contact(caller: &Caller, installation: &Installation, access: &str) {
    let path = format!("/user-identities/me/authentication-factors/{MOBILE}/token");
    let sending = caller.request(Service::Factors, "POST", &path, &[]).bearer(access);
    let challenge = sending.send().await.expect_status(201).text("challengeId");
    let outgoing = fs::read_to_string(installation.outgoing_codes()).expect("the service created the file");
    let mut messages = outgoing
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let message = messages.find(|message| message["challengeId"] == challenge.as_str());
    let code = &message.expect("the code was sent")["code"];
    let response = json!({"challengeId": challenge, "token": code});
    for status in [204, 422] {
        let validate = caller.request(Service::Factors, "POST", &format!("{path}/validate"), &[]);
        let validated = validate.bearer(access).json(&response).send().await;
        validated.expect_status(status);
    }
}

/// Introspects a token as the portal.
async fn is_active(caller: &Caller, fixtures: &Fixtures, token: &str) -> bool {
    let portal = caller.client_token(&fixtures.portal).await;
    let introspect = caller.request(Service::Tokens, "POST", "/tokens/introspect", &[]);
    let introspected = introspect.bearer(&portal).json(&json!({"token": token})).send().await;
    introspected.expect_status(200).json()["active"] == true
}

fn mobile(id: &str, number: &str) -> Value {
    json!({
        "id": id,
        "contactType": "MOBILE",
        "mobile": {"regionCode": "55", "areaCode": "11", "phoneNumber": number},
    })
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
