use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// Returns sixteen random hexadecimal digits.
pub(crate) fn random_suffix() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
