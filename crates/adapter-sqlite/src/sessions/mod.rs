pub(crate) mod refresh_families;
