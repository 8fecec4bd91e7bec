//! The rules of docs/ARCHITECTURE.md. Each is a test, and its message says what to do instead.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a checkout that cannot be read fails the test"
)]

mod checkout;
mod cycles;
mod dependencies;
mod deployment;
mod imports;
mod layout;
mod manifests;
mod names;
mod references;
mod source;

/// Fails if there are violations of a rule, and lists them below the advice.
#[track_caller]
fn assert_no_violations(advice: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{advice}\n  - {}\n", violations.join("\n  - "));
}
