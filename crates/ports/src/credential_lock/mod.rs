//! Ports of the credential lock context.

mod credential_locks;
