mod active_families;
mod family_row;
pub(crate) mod refresh_families;
pub(crate) mod sign_in_statuses;
pub(crate) mod used_once;
