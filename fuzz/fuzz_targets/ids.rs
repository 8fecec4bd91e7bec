#![no_main]

use domain::ids::{BusinessId, ClientId, ContactId, FamilyId, UserId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let length = (1..=64).contains(&text.len());
    let plain = length && text.bytes().all(fits);
    let dotted = length && text.bytes().all(|b| fits(b) || b == b'.');
    for (read, expected) in [
        (UserId::parse(text).map(|id| id.to_string()), plain && text != "me"),
        (ContactId::parse(text).map(|id| id.to_string()), plain && text != "me"),
        (BusinessId::parse(text).map(|id| id.to_string()), plain),
        (FamilyId::parse(text).map(|id| id.to_string()), plain),
        (ClientId::parse(text).map(|id| id.to_string()), dotted),
    ] {
        assert_eq!(read.as_deref().ok(), expected.then_some(text));
    }
});
