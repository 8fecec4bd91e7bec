pub(crate) mod refresh_families;
mod rotations;
