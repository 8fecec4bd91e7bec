use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::time::Timestamp;
use ports::tokens::PublicKey;
use serde::Deserialize;
use serde_json::Value;

/// The accepted sizes of a modulus, in bits. RFC 7518 section 3.3 requires 2048. More than 8192 makes verification
/// expensive, and the library does not support it.
const MODULUS_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// The maximum length of a `kid`, in bytes. AuthMe's own `kid`s have 43 (RFC 7638 thumbprint).
const MAX_KID_BYTES: usize = 256;

/// A JWK set (RFC 7517 section 5). The keys are parsed one by one, so that a malformed key does not hide the others.
#[derive(Deserialize)]
struct JwkSetMessage {
    keys: Vec<Value>,
}

/// An RSA public key (RFC 7518 section 6.3.1) with AuthMe's own member `retired_at`.
#[derive(Deserialize)]
struct JwkMessage {
    kty: String,
    #[serde(rename = "use")]
    usage: String,
    alg: String,
    kid: String,
    n: String,
    e: String,
    /// Seconds since 1970.
    retired_at: Option<i64>,
}

/// Parses a JWK set and returns the keys that can verify AuthMe's tokens: RSA, RS512, for signatures, of 2048 to 8192
/// bits. Leaves out all other keys, and a second key with the same `kid`. Returns `None` if the text is not a JWK set.
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
    let is_rs512 = jwk.kty == "RSA" && jwk.usage == "sig" && jwk.alg == "RS512";
    let has_kid = (1..=MAX_KID_BYTES).contains(&jwk.kid.len());
    let key = PublicKey {
        id: jwk.kid,
        modulus: decode_integer(&jwk.n)?,
        exponent: decode_integer(&jwk.e)?,
        retired_at: jwk.retired_at.map(Timestamp::from_second).transpose().ok()?,
    };
    let has_size = MODULUS_BITS.contains(&bit_length(&key.modulus)) && (2..=32).contains(&bit_length(&key.exponent));
    let is_odd = |integer: &[u8]| integer.last().is_some_and(|last| last % 2 == 1);
    (is_rs512 && has_kid && has_size && is_odd(&key.modulus) && is_odd(&key.exponent)).then_some(key)
}

/// Decodes a big-endian integer (RFC 7518 section 2, `Base64urlUInt`) and drops leading zeros.
fn decode_integer(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn bit_length(integer: &[u8]) -> u32 {
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

    fn usable_ids(keys: &[Value]) -> Vec<String> {
        let text = json!({"keys": keys}).to_string();
        let keys = usable_keys(text.as_bytes()).expect("a key set");
        keys.into_iter().map(|key| key.id).collect()
    }

    #[test]
    fn unusable_keys_are_left_out() {
        assert_eq!(usable_ids(&[jwk("kid", "one")]), ["one"]);
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
            assert_eq!(usable_ids(&[jwk(name, value)]), [""; 0], "{name}: {value}");
        }
    }

    #[test]
    fn a_key_with_malformed_retired_at_is_left_out() {
        let retirement_times = |at: Value| {
            let mut key = jwk("kid", "one");
            key["retired_at"] = at;
            let keys = usable_keys(json!({"keys": [key]}).to_string().as_bytes()).expect("a key set");
            keys.into_iter().map(|key| key.retired_at).collect::<Vec<_>>()
        };
        assert_eq!(
            retirement_times(json!(100)),
            [Some(Timestamp::from_second(100).expect("a time"))]
        );
        assert_eq!(retirement_times(json!(null)), [None]);
        for unreadable in [json!("2026-01-01T00:00:00Z"), json!(i64::MAX), json!(1.5), json!(true)] {
            assert_eq!(retirement_times(unreadable.clone()), [], "{unreadable}");
        }
    }

    #[test]
    fn malformed_keys_do_not_hide_the_others() {
        let unreadable = json!({"kty": "OKP", "crv": "Ed25519", "kid": 7});
        assert_eq!(usable_ids(&[unreadable, json!(null), jwk("kid", "two")]), ["two"]);
        assert_eq!(usable_ids(&[jwk("kid", "one"), jwk("e", "Aw")]), ["one"]);
        assert!(usable_keys(b"<html>").is_none());
        assert!(usable_keys(br#"{"keys": {}}"#).is_none());
    }
}
