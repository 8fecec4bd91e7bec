pub(crate) mod refresh_families;
mod refresh_family_document;
mod rotations;
pub(crate) mod used_once;
