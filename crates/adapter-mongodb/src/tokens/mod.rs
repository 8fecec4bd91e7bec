pub(crate) mod refresh_families;
mod rotations;
pub(crate) mod validation_tokens;
