//! Tokens: SAML login, validation tokens, renewal and introspection.

mod assertion;
pub mod permissions;
mod validation_token;

pub use assertion::{
    Assertion, AssertionError, AssertionId, MAX_ASSERTION_ID_BYTES, MAX_ASSERTION_LIFETIME, MalformedAssertionId,
};
pub use validation_token::{Consumption, Redemption, ValidationToken, ValidationTokenHash, ValidationTokenSecret};
