//! The contexts: each names its endpoints, aggregates and settings, and connects its ports to the adapters.

mod code_settings;
mod credential_lock;
mod directory;
mod events;
mod factors;
mod token_settings;
mod tokens;

use crate::Context;

pub use code_settings::{CodeSecretSettings, CodeSettings, SmsRegionSettings};
pub use credential_lock::CREDENTIAL_LOCK;
pub use directory::DIRECTORY;
pub use events::{EVENTS, EventLogSettings};
pub use factors::FACTORS;
pub use token_settings::{AcceptedTokenSettings, IssuerSettings, RefreshSecretSettings, SamlSettings, TokenSettings};
pub use tokens::TOKENS;

/// All contexts, in the order in which the settings are listed and the paths are matched. The directory comes after the
/// contexts whose paths `/user-identities/{id}` would match.
pub const CONTEXTS: &[&Context] = &[&TOKENS, &FACTORS, &CREDENTIAL_LOCK, &DIRECTORY, &EVENTS];
