//! The contracts of the credential lock context.

pub(crate) mod credentials;
pub(crate) mod turns;
