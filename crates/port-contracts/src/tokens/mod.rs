//! The contracts of the tokens context.

pub(crate) mod validation_tokens;
