//! Tokens: SAML login, validation tokens, renewal and introspection.

pub mod permissions;
mod validation_token;

pub use validation_token::{Consumption, Redemption, ValidationToken, ValidationTokenHash, ValidationTokenSecret};
