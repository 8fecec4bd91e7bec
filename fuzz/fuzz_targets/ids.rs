//! Ids: exactly the documented characters and lengths are accepted.
#![no_main]

use domain::ids::{BusinessId, ClientId, ContactId, FamilyId, UserId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let is_plain_character = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let has_valid_length = (1..=64).contains(&text.len());
    let is_plain = has_valid_length && text.bytes().all(is_plain_character);
    let is_dotted = has_valid_length && text.bytes().all(|b| is_plain_character(b) || b == b'.');
    for (parsed, expected) in [
        (UserId::parse(text).map(|id| id.to_string()), is_plain && text != "me"),
        (
            ContactId::parse(text).map(|id| id.to_string()),
            is_plain && text != "me",
        ),
        (BusinessId::parse(text).map(|id| id.to_string()), is_plain),
        (FamilyId::parse(text).map(|id| id.to_string()), is_plain),
        (ClientId::parse(text).map(|id| id.to_string()), is_dotted),
    ] {
        assert_eq!(parsed.as_deref().ok(), expected.then_some(text));
    }
});
