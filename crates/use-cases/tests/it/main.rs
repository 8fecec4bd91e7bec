//! The use cases on the SQLite adapter: a temporary file, a clock that stands until it is moved, a signer that signs
//! nothing.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unchecked_time_subtraction,
    reason = "what cannot be set up fails the test that wanted it, and a trial prints its figures"
)]

mod branches;
mod closing;
mod hand_off;
mod locked;
mod meddling;
mod outages;
mod outbox_full;
mod properties;
mod relay;
mod rotation;
mod stand_ins;
mod trials;
mod validation_tokens;
mod world;
