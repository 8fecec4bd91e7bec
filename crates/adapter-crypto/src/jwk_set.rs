use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::time::Timestamp;
use ports::tokens::PublicKey;
use serde::Deserialize;
use serde_json::Value;

/// Sizes of a modulus that are believed, in bits: below, a key can be broken; above, verifying costs too much.
const MODULUS_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// No `kid` of ours is longer.
const LONGEST_ID: usize = 256;

/// RFC 7517 section 5. Each key is read for itself: one that cannot be read does not spoil the others.
#[derive(Deserialize)]
struct JwkSetMessage {
    keys: Vec<Value>,
}

/// RFC 7518 section 6.3.1, and our own `retired_at`.
#[derive(Deserialize)]
struct JwkMessage {
    kty: String,
    #[serde(rename = "use")]
    usage: String,
    alg: String,
    kid: String,
    n: String,
    e: String,
    /// In seconds since 1970.
    retired_at: Option<i64>,
}

/// The keys of a JWK set that can verify a token of ours: RSA, RS512, for signatures, of 2048 bits or more. Others, and
/// a second key of an id, are left out. `None` for text that is no key set.
pub(crate) fn usable_keys(text: &[u8]) -> Option<Vec<PublicKey>> {
    let set: JwkSetMessage = serde_json::from_slice(text).ok()?;
    let mut keys: Vec<PublicKey> = Vec::new();
    for key in set.keys.into_iter().filter_map(usable_key) {
        if keys.iter().all(|known| known.id != key.id) {
            keys.push(key);
        }
    }
    Some(keys)
}

fn usable_key(value: Value) -> Option<PublicKey> {
    let jwk: JwkMessage = serde_json::from_value(value).ok()?;
    let ours = jwk.kty == "RSA" && jwk.usage == "sig" && jwk.alg == "RS512";
    let named = (1..=LONGEST_ID).contains(&jwk.kid.len());
    let key = PublicKey {
        id: jwk.kid,
        modulus: integer(&jwk.n)?,
        exponent: integer(&jwk.e)?,
        retired_at: jwk.retired_at.map(Timestamp::from_second).transpose().ok()?,
    };
    let sized = MODULUS_BITS.contains(&bits(&key.modulus)) && (2..=32).contains(&bits(&key.exponent));
    let odd = |integer: &[u8]| integer.last().is_some_and(|last| last % 2 == 1);
    (ours && named && sized && odd(&key.modulus) && odd(&key.exponent)).then_some(key)
}

/// A big-endian integer without leading zeros.
fn integer(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn bits(integer: &[u8]) -> u32 {
    let leading = integer.first().map_or(0, |first| first.leading_zeros());
    u32::try_from(integer.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(8)
        .saturating_sub(leading)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn jwk(changed: &str, value: &str) -> Value {
        let mut modulus = vec![0xff; 256];
        modulus[0] = 0x80;
        let mut jwk = json!({
            "kty": "RSA", "use": "sig", "alg": "RS512", "kid": "one",
            "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB",
        });
        jwk[changed] = json!(value);
        jwk
    }

    fn usable(keys: &[Value]) -> Vec<String> {
        let text = json!({"keys": keys}).to_string();
        let keys = usable_keys(text.as_bytes()).expect("a key set");
        keys.into_iter().map(|key| key.id).collect()
    }

    #[test]
    fn a_key_that_could_not_have_signed_is_left_out() {
        assert_eq!(usable(&[jwk("kid", "one")]), ["one"]);
        let short = URL_SAFE_NO_PAD.encode([0xff; 255]);
        let just_short = URL_SAFE_NO_PAD.encode([&[0x7f][..], &[0xff; 255]].concat());
        let padded_short = URL_SAFE_NO_PAD.encode([&[0; 8][..], &[0xff; 255]].concat());
        let long = URL_SAFE_NO_PAD.encode([0xff; 1025]);
        let even = URL_SAFE_NO_PAD.encode([0xfe; 256]);
        for (name, value) in [
            ("kty", "EC"),
            ("use", "enc"),
            ("alg", "RS256"),
            ("alg", "HS512"),
            ("kid", ""),
            ("e", "AQ"),
            ("e", "AQAA"),
            ("e", ""),
            ("n", "!"),
            ("n", &short),
            ("n", &just_short),
            ("n", &padded_short),
            ("n", &long),
            ("n", &even),
        ] {
            assert_eq!(usable(&[jwk(name, value)]), [""; 0], "{name}: {value}");
        }
    }

    #[test]
    fn a_retirement_that_cannot_be_read_is_no_key_for_ever() {
        let retired = |at: Value| {
            let mut key = jwk("kid", "one");
            key["retired_at"] = at;
            let keys = usable_keys(json!({"keys": [key]}).to_string().as_bytes()).expect("a key set");
            keys.into_iter().map(|key| key.retired_at).collect::<Vec<_>>()
        };
        assert_eq!(
            retired(json!(100)),
            [Some(Timestamp::from_second(100).expect("a time"))]
        );
        assert_eq!(retired(json!(null)), [None]);
        for unreadable in [json!("2026-01-01T00:00:00Z"), json!(i64::MAX), json!(1.5), json!(true)] {
            assert_eq!(retired(unreadable.clone()), [], "{unreadable}");
        }
    }

    #[test]
    fn what_cannot_be_read_does_not_spoil_the_rest() {
        let unreadable = json!({"kty": "OKP", "crv": "Ed25519", "kid": 7});
        assert_eq!(usable(&[unreadable, json!(null), jwk("kid", "two")]), ["two"]);
        assert_eq!(usable(&[jwk("kid", "one"), jwk("e", "Aw")]), ["one"]);
        assert!(usable_keys(b"<html>").is_none());
        assert!(usable_keys(br#"{"keys": {}}"#).is_none());
    }
}
