//! What the credential lock context needs.

mod credentials;

pub use credentials::Credentials;
