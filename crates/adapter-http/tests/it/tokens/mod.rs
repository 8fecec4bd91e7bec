//! The operations of a session's later life, in process: real stores and keys, and no socket.

mod change_app;
mod introspect_token;
mod login_guard;
mod no_key_set;
mod revoke_token;
mod test_app;
