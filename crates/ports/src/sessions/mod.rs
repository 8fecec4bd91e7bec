//! Ports of sessions: refresh token families, their tokens, the signer of access tokens, and values
//! that may be used once. Every context may use them.

mod refresh_families;
mod refresh_token_codec;
mod sign_in_statuses;
mod token_signer;
mod used_once;

pub use refresh_families::{ActiveFamilies, CloseOutcome, REFRESH_FAMILIES, RefreshFamilies, RotationOutcome};
pub use refresh_token_codec::RefreshTokenCodec;
pub use sign_in_statuses::SignInStatuses;
pub use token_signer::{SigningError, TokenSigner};
pub use used_once::{USED_ONCE, UsedOnce, UsedOnceHasher};
