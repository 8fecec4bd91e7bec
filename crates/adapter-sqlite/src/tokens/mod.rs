pub(crate) mod validation_tokens;
