pub(crate) mod refresh_families;
pub(crate) mod validation_tokens;
