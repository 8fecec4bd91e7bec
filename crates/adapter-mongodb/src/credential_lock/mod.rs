pub(crate) mod credential_locks;
