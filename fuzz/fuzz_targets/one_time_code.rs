//! One-time codes from any random bits, and challenge ids from any text.
#![no_main]

use domain::factors::{ChallengeId, OneTimeCode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (draws, _) = data.as_chunks::<16>();
    let mut draws = draws.iter();
    // Zero bits are a valid draw, so the rejection sampling ends when the input does.
    let code = OneTimeCode::draw(|| draws.next().copied().unwrap_or_default());
    assert_eq!(code.reveal().len(), 6);
    assert!(code.reveal().bytes().all(|digit| digit.is_ascii_digit()));
    assert!(!format!("{code:?}").contains(code.reveal()));

    if let Some(bytes) = data.first_chunk::<16>() {
        let id = ChallengeId::from_random(*bytes);
        assert_eq!(ChallengeId::parse(id.as_str()), Some(id));
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Some(id) = ChallengeId::parse(text)
    {
        assert_eq!(id.as_str(), text);
    }
});
