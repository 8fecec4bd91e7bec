pub(crate) mod refresh_families;
pub(crate) mod refresh_family_document;
mod rotations;
