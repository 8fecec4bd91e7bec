pub(crate) mod refresh_families;
pub(crate) mod used_once;
