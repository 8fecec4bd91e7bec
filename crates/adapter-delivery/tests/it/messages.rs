//! Messages to send, each with its own challenge.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use domain::contact::{ContactValue, Email, Mobile};
use domain::factors::{ChallengeId, OneTimeCode};
use domain::ids::ClientId;
use domain::time::{Timestamp, after};
use ports::factors::{CodeDelivery as _, CodeMessage};

pub(crate) const CODE: &str = "000417";
pub(crate) const NUMBER: &str = "+5511911112222";
pub(crate) const WRONG_PASSWORD: &str = "hunter2";
pub(crate) const SIGNING_KEY: &str = "the signing key of a test";
pub(crate) const API_KEY: &str = "the API key of a test";

/// Texts that must not be printed or logged. `ana.souza` is part of every address.
pub(crate) const SECRETS: [&str; 6] = [CODE, "ana.souza", "911112222", WRONG_PASSWORD, SIGNING_KEY, API_KEY];

pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn message(to: ContactValue) -> CodeMessage {
    let challenge = (u128::from(random()) << 64) | u128::from(random());
    let sent_at = Timestamp::from_second(1_795_403_784).unwrap();
    CodeMessage {
        challenge: ChallengeId::from_random(challenge.to_be_bytes()),
        to,
        code: OneTimeCode::draw(|| 417_u128.to_le_bytes()),
        client: ClientId::parse("com.example.portal").unwrap(),
        message_templates: None,
        sent_at,
        expires_at: after(sent_at, Duration::from_mins(10)),
    }
}

/// Returns a message to a unique address with this prefix.
pub(crate) fn mail_to(prefix: &str) -> CodeMessage {
    mail_between(prefix, "example.com")
}

/// Returns a message to a unique address at this domain.
pub(crate) fn mail_at(domain: &str) -> CodeMessage {
    mail_between("", domain)
}

fn mail_between(prefix: &str, domain: &str) -> CodeMessage {
    let address = format!("{prefix}ana.souza+{:x}@{domain}", random());
    message(ContactValue::Email(Email::parse(&address).unwrap()))
}

pub(crate) fn mail() -> CodeMessage {
    mail_to("")
}

pub(crate) fn text_message() -> CodeMessage {
    message(ContactValue::Mobile(
        Mobile::parse("55", Some("11"), "911112222").unwrap(),
    ))
}

pub(crate) fn address(message: &CodeMessage) -> &str {
    match &message.to {
        ContactValue::Email(email) => email.as_str(),
        ContactValue::Mobile(_) => "",
    }
}

/// Delivers a message, which must fail, and returns the messages of the error and its sources, outermost first.
pub(crate) async fn error_chain(sender: &adapter_delivery::CodeSender, message: &CodeMessage) -> Vec<String> {
    let error = sender.deliver(message).await.unwrap_err();
    let output = format!("{error:?}");
    assert!(!SECRETS.iter().any(|secret| output.contains(secret)), "{output}");
    let mut causes = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    causes
}
