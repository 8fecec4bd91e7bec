//! Tests of the whole app over sockets, and of the `authme` command as a process.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic fails the test"
)]

mod fixtures;
mod hmac_sha512;
mod jwt;
mod operator;
mod public_key_forms;
mod test_app;

mod active_check;
mod add_contacts;
mod administration;
mod anonymous_peers;
mod audit;
mod backup;
mod bad_bodies;
mod change_app;
mod change_contacts;
mod client_login;
mod codes;
mod commands;
mod common_rules;
mod contact_rules;
mod credential_lock;
mod data_folder;
mod descriptions;
mod disk_errors;
mod event_schemas;
mod events;
mod handle_auth;
mod hostile_claims;
mod hostile_tokens;
mod identity_commands;
mod introspect_token;
mod leaks;
mod lock_commands;
mod login_guard;
mod name_commands;
mod no_key_set;
mod own_contacts;
mod raw_sockets;
mod refused_recipients;
mod renew_by_identity_provider;
mod renew_token;
mod revoke_token;
mod role_matrix;
mod rotation;
mod serving;
mod sessions;
mod spans;
mod stopping;
mod strangers_trial;
mod user_removal;
