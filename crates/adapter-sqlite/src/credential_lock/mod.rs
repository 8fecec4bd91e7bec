pub(crate) mod credentials;
