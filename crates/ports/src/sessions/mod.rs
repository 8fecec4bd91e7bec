//! Ports of sessions: refresh token families, their tokens, and the signer of access tokens. Every context may use them.

mod refresh_families;
mod refresh_token_codec;
mod token_signer;

pub use refresh_families::{CloseOutcome, REFRESH_FAMILIES, RefreshFamilies, RotationOutcome};
pub use refresh_token_codec::RefreshTokenCodec;
pub use token_signer::{SigningError, TokenSigner};
