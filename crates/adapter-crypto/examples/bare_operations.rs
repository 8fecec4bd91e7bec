//! The baseline of the benchmarks: bare RS512 signatures (R) and verifications (V), with a key parsed once.
//!
//! `bare_operations SECONDS` prints one JSON object: the number of operations, and the CPU time in nanoseconds of the
//! one thread that ran them.

use std::fs;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA512, UnparsedPublicKey};

/// The message is about as long as the header and claims of an access token, in bytes.
const MESSAGE: [u8; 600] = [b'x'; 600];

fn cpu_nanoseconds() -> u64 {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    schedstat
        .split_ascii_whitespace()
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

fn measure(length: Duration, mut operation: impl FnMut()) -> (u64, u64) {
    operation();
    let (started, before) = (Instant::now(), cpu_nanoseconds());
    let mut count = 0;
    while started.elapsed() < length {
        operation();
        count += 1;
    }
    (count, cpu_nanoseconds() - before)
}

#[expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark program prints its result, and ends if it cannot measure"
)]
fn main() {
    let seconds = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(2.0);
    let length = Duration::from_secs_f64(seconds);
    let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let random = SystemRandom::new();
    let mut signature = vec![0; key.public_modulus_len()];
    let (signatures, signing) = measure(length, || {
        key.sign(&RSA_PKCS1_SHA512, &random, &MESSAGE, &mut signature)
            .expect("a signature");
    });
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA512, key.public_key().as_ref().to_vec());
    let (verifications, verifying) = measure(length / 4, || {
        public.verify(&MESSAGE, &signature).expect("a good signature");
    });
    println!(
        "{{\"signatures\":{signatures},\"signing_cpu_ns\":{signing},\"verifications\":{verifications},\"verifying_cpu_ns\":{verifying}}}"
    );
}
