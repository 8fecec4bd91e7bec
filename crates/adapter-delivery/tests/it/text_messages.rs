use std::time::{Duration, Instant};

use adapter_delivery::{CodeSender, DeliverySettings, MailRoute, Secret, SmsGatewaySettings, TextMessageRoute, open};
use domain::hex;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ports::factors::CodeDelivery as _;
use serde_json::json;
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::journal;
use crate::messages::{API_KEY, CODE, NUMBER, SIGNING_KEY, error_chain, text_message};
use crate::receiver::{ReceivedRequest, Receiver};

const TEXT: &str =
    "Use 000417 para confirmar o seu contato em com.example.portal. Vale por 10 min. Nunca passe a outra pessoa.";

fn settings(receiver: &Receiver) -> SmsGatewaySettings {
    SmsGatewaySettings::new(receiver.url.clone(), Secret::new(SIGNING_KEY))
}

fn delivery(gateway: SmsGatewaySettings) -> DeliverySettings {
    let nowhere = MailRoute::File("/dev/null".into());
    DeliverySettings::new(nowhere, TextMessageRoute::Gateway(gateway))
}

fn sender(gateway: SmsGatewaySettings) -> CodeSender {
    open(delivery(gateway)).unwrap()
}

/// Verifies the signature from the key and the received request only, as a gateway does.
fn is_signed(request: &ReceivedRequest) -> bool {
    let signature = request.headers["authme-signature"].strip_prefix("v1=").unwrap();
    let signature: [u8; 32] = hex::decode(signature).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING_KEY.as_bytes()).unwrap();
    mac.update(request.headers["authme-timestamp"].as_bytes());
    mac.update(b".");
    mac.update(request.body.as_bytes());
    mac.verify_slice(&signature).is_ok()
}

pub(crate) async fn a_request_is_signed_and_has_its_challenge() {
    let receiver = Receiver::with_answers(&["202 Accepted"]).await;
    let message = text_message();
    sender(settings(&receiver)).deliver(&message).await.unwrap();
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(request.line, "POST /messages?account=7 HTTP/1.1");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["idempotency-key"], message.challenge.as_str());
    assert_eq!(request.headers["authme-timestamp"], "1795403784");
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body, json!({ "to": NUMBER, "text": TEXT }));
    assert!(is_signed(request));
    let forged = ReceivedRequest {
        body: request.body.replace(CODE, "000418"),
        ..request.clone()
    };
    assert!(!is_signed(&forged));
}

pub(crate) async fn an_overloaded_gateway_gets_the_request_again() {
    for overloaded in [
        "503 Service Unavailable",
        "429 Too Many Requests",
        "408 Request Timeout",
    ] {
        let receiver = Receiver::with_answers(&[overloaded, "200 OK"]).await;
        sender(settings(&receiver)).deliver(&text_message()).await.unwrap();
        let requests = receiver.requests();
        assert_eq!(requests.len(), 2, "{overloaded}");
        assert_eq!(requests[0], requests[1]);
        assert!(requests[0].body.contains(CODE));
    }
}

pub(crate) async fn a_rejected_request_is_not_retried() {
    let receiver = Receiver::with_answers(&["400 Bad Request", "200 OK"]).await;
    let causes = error_chain(&sender(settings(&receiver)), &text_message()).await;
    assert_eq!(
        causes,
        ["the gateway refuses the recipient", "the gateway answered 400"]
    );
    assert_eq!(receiver.requests().len(), 1);
}

pub(crate) async fn a_redirect_is_not_followed() {
    let redirect = "307 Temporary Redirect\r\nlocation: /elsewhere";
    let receiver = Receiver::with_answers(&[redirect, redirect, redirect, "200 OK"]).await;
    let causes = error_chain(&sender(settings(&receiver)), &text_message()).await;
    assert_eq!(causes[1..], ["the gateway answered 307"]);
    let requests = receiver.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.line.starts_with("POST /messages")),
        "{requests:?}"
    );
}

pub(crate) async fn a_silent_gateway_gets_one_request() {
    let receiver = Receiver::with_answers(&[]).await;
    let mut settings = delivery(settings(&receiver));
    settings.time_limit = Duration::from_secs(1);
    let message = text_message();
    let start = Instant::now();
    let causes = error_chain(&open(settings).unwrap(), &message).await;
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert_eq!(causes[1..], ["the message was not accepted within its time limit"]);
    assert_eq!(receiver.requests().len(), 1);
    assert!(journal::contents().contains(message.challenge.as_str()));
}

/// Nothing listens on the port.
pub(crate) async fn an_unreachable_gateway_is_reported_without_its_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/messages?account=7", listener.local_addr().unwrap());
    drop(listener);
    let gateway = SmsGatewaySettings::new(url, Secret::new(SIGNING_KEY));
    let causes = error_chain(&sender(gateway), &text_message()).await;
    assert_eq!(causes[1], "the gateway cannot be reached");
    assert!(!causes.concat().contains("account=7"), "{causes:?}");
}

pub(crate) async fn a_form_has_the_header_of_the_gateway() {
    let receiver = Receiver::with_answers(&["200 OK"]).await;
    let gateway = SmsGatewaySettings {
        content_type: "application/x-www-form-urlencoded".to_owned(),
        body: "To={{ to|urlencode }}&Pin={{ code }}&Id={{ challenge_id }}".to_owned(),
        header: Some(("X-Api-Key".to_owned(), Secret::new(API_KEY))),
        ..settings(&receiver)
    };
    let message = text_message();
    sender(gateway).deliver(&message).await.unwrap();
    let request = &receiver.requests()[0];
    assert_eq!(request.headers["x-api-key"], API_KEY);
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    let id = message.challenge.as_str();
    assert_eq!(request.body, format!("To=%2B5511911112222&Pin={CODE}&Id={id}"));
    assert!(is_signed(request));
}
