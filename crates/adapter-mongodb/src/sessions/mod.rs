mod active_families;
pub(crate) mod refresh_families;
mod refresh_family_document;
mod rotations;
pub(crate) mod sign_in_statuses;
pub(crate) mod used_once;
