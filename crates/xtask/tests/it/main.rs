//! The rules of the architecture (docs/ARCHITECTURE.md), each a test whose message says what to do instead.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a checkout that cannot be read fails the test that wanted to read it"
)]

mod checkout;
mod dependencies;
mod deployment;
mod imports;
mod layout;
mod manifests;
mod names;
mod source;

/// Fails with everything that broke a rule, and with the way out.
#[track_caller]
fn none_break(rule: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{rule}\n  - {}\n", offenders.join("\n  - "));
}
