//! The use cases on the SQLite adapter: a temporary file, a clock that stands until it is moved, a signer that signs
//! nothing.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unchecked_time_subtraction,
    reason = "what cannot be set up fails the test that wanted it"
)]

mod admit_caller;
mod branches;
mod change_app;
mod closing;
mod codes;
mod given_up;
mod hand_off;
mod introspect_token;
mod locked;
mod old_primary;
mod outages;
mod outbox_full;
mod properties;
mod recorded;
mod relay;
mod revoke_token;
mod rotation;
#[path = "../test_app/mod.rs"]
mod test_app;
mod validation_tokens;
