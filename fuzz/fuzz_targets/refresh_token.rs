//! Refresh tokens: a token has one spelling, and verifies under its own MAC only.
#![no_main]

use domain::hex;
use domain::sessions::SignedRefreshToken;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(signed) = SignedRefreshToken::parse(text) else {
        return;
    };
    assert!(SignedRefreshToken::is_refresh_token(text));
    let (part, mac) = text.rsplit_once('.').expect("it has a MAC");
    assert_eq!(signed.authenticated_part(), part);
    let mac: [u8; 32] = hex::decode(mac).expect("the MAC is hexadecimal");
    let key_id = signed.key_id().to_owned();
    let token = signed.verify(&mac).expect("it is the token's MAC");
    assert_eq!(&*token.authenticated_part(&key_id), part);
    let other = mac.map(|byte| !byte);
    assert!(
        SignedRefreshToken::parse(text)
            .expect("it was parsed before")
            .verify(&other)
            .is_none()
    );
});
