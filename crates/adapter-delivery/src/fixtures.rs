use std::time::Duration;

use domain::contact::{ContactValue, Email, Mobile};
use domain::factors::{ChallengeId, OneTimeCode};
use domain::ids::ClientId;
use domain::time::{Timestamp, after};
use ports::factors::CodeMessage;

pub(crate) fn address(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub(crate) fn email(text: &str) -> ContactValue {
    ContactValue::Email(address(text))
}

pub(crate) fn mobile() -> ContactValue {
    ContactValue::Mobile(Mobile::parse("55", Some("11"), "911112222").unwrap())
}

/// Returns a message whose code is valid for ten minutes.
pub(crate) fn message(to: ContactValue) -> CodeMessage {
    let sent_at = Timestamp::from_second(1_795_403_784).unwrap();
    CodeMessage {
        challenge: ChallengeId::from_random([7; 16]),
        to,
        code: OneTimeCode::draw(|| 483_920_u128.to_le_bytes()),
        client: ClientId::parse("com.example.portal").unwrap(),
        message_templates: None,
        sent_at,
        expires_at: after(sent_at, Duration::from_mins(10)),
    }
}
