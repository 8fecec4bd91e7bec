//! The use cases on the SQLite adapter: a temporary file, a clock that the test sets, and a signer that only records.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unchecked_time_subtraction,
    reason = "a failed set-up fails its test"
)]

mod abandoned_commands;
mod admit_caller;
mod assertions;
mod audit;
mod branches;
mod change_app;
mod closing;
mod codes;
mod ended_sessions;
mod handle_auth;
mod introspect_token;
mod locked;
mod old_primary;
mod outages;
mod outbox_full;
mod properties;
mod relay;
mod relay_state;
mod revoke_token;
mod rotation;
mod session_limit;
mod user_removal;
mod validation_tokens;
