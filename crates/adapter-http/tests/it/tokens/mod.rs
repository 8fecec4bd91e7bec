//! Operations of an existing session, in process: with real stores and keys, and mostly without a socket.

mod change_app;
mod introspect_token;
mod login_guard;
mod no_key_set;
mod revoke_token;
mod test_app;
