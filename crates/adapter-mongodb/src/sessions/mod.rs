pub(crate) mod refresh_families;
mod refresh_family_document;
mod rotations;
