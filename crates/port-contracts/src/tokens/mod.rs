//! The contracts of the tokens context.

pub(crate) mod validation_tokens;

pub(crate) use validation_tokens::contracts;
