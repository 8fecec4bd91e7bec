//! The encodings of the public key that an attacker may use as a MAC key (algorithm confusion).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::test_app::{TestApp, field};
use test_support::http::Request;

/// Encodes one DER value (X.690) with its length.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut encoded = vec![tag];
    let length = u16::try_from(content.len()).expect("it is short").to_be_bytes();
    match length {
        [0, short] if short < 128 => encoded.push(short),
        [0, long] => encoded.extend_from_slice(&[0x81, long]),
        [high, low] => encoded.extend_from_slice(&[0x82, high, low]),
    }
    encoded.extend_from_slice(content);
    encoded
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).expect("ASCII"))
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Returns each encoding with its name.
pub(crate) fn public_key_encodings(app: &TestApp) -> Vec<(String, Vec<u8>)> {
    let jwk = app.send(Request::get("/keys")).json()["keys"][0].clone();
    let modulus = URL_SAFE_NO_PAD.decode(field(&jwk, "n")).expect("base64url");
    let mut positive = vec![0];
    positive.extend_from_slice(&modulus);
    let pkcs1 = der(0x30, &[der(2, &positive), der(2, &[1, 0, 1])].concat());
    // rsaEncryption, NULL (RFC 8017 appendix A.1).
    let algorithm = der(
        0x30,
        &[
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
        ],
    );
    let mut bits = vec![0];
    bits.extend_from_slice(&pkcs1);
    let spki = der(0x30, &[algorithm, der(3, &bits)].concat());
    let texts = [
        pem("PUBLIC KEY", &spki),
        pem("RSA PUBLIC KEY", &pkcs1),
        jwk.to_string(),
        field(&jwk, "n"),
        field(&jwk, "kid"),
    ];
    let mut forms: Vec<(String, Vec<u8>)> = Vec::new();
    for text in texts {
        forms.push((text.clone(), text.trim_end().as_bytes().to_vec()));
        forms.push((text.clone(), text.into_bytes()));
    }
    forms.extend([
        ("modulus".to_owned(), modulus),
        ("PKCS#1".to_owned(), pkcs1),
        ("SPKI".to_owned(), spki),
        ("empty".to_owned(), Vec::new()),
    ]);
    forms
}
