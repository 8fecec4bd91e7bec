#![no_main]

use domain::hex;
use domain::tokens::SignedRefreshToken;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(sealed) = SignedRefreshToken::parse(text) else {
        return;
    };
    assert!(SignedRefreshToken::is_one(text));
    let (part, mac) = text.rsplit_once('.').expect("it has a MAC");
    assert_eq!(sealed.authenticated_part(), part);
    let mac: [u8; 32] = hex::decode(mac).expect("the MAC is hexadecimal");
    let key_id = sealed.key_id().to_owned();
    let token = sealed.open(&mac).expect("it is the token's MAC");
    assert_eq!(&*token.authenticated_part(&key_id), part);
    let other = mac.map(|byte| !byte);
    assert!(
        SignedRefreshToken::parse(text)
            .expect("as before")
            .open(&other)
            .is_none()
    );
});
