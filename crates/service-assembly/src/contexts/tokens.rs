use std::sync::Arc;

use adapter_crypto::{HmacRefreshTokenCodec, KeySetCacheSettings, Rs512Signer, tokens_crypto};
use adapter_http::tokens::{TokensApiSettings, module, routes};
use adapter_http::{LoginGuardSettings, Module};
use ports::Stores;
use service_runtime::{CommandError, Section};
use use_cases::PartEraser;
use use_cases::sessions::{Issuance, SessionEraser, SessionPorts};
use use_cases::tokens::{TokensPorts, TokensUseCases};

use super::{IssuerSettings, RefreshSecretSettings, SamlSettings, TokenSettings};
use crate::context::Context;
use crate::wiring::Wiring;

/// SAML login, renewal, step-up, introspection and keys. It owns the sessions as well.
pub const TOKENS: Context = Context {
    name: "tokens",
    collections: &[stored_forms::sessions::COLLECTIONS, stored_forms::tokens::COLLECTIONS],
    routes,
    signs: true,
    settings: &[
        Section::of::<TokenSettings>(),
        Section::of::<LoginGuardSettings>(),
        Section::of::<SamlSettings>(),
        Section::of::<KeySetCacheSettings>(),
    ],
    secrets: &[Section::of::<RefreshSecretSettings>()],
    wire,
    eraser: Some(eraser),
};

fn wire(wiring: &Wiring) -> Result<Module, CommandError> {
    let invalid = CommandError::context("the settings are invalid");
    let settings = IssuerSettings::read(&wiring.settings).map_err(invalid)?;
    let secrets = wiring.secrets(
        "refresh",
        |secrets: RefreshSecretSettings| secrets.refresh_file,
        "the keys of refresh tokens (`secrets.refresh_file`) cannot be read",
    )?;
    let codec = HmacRefreshTokenCodec::new(&secrets);
    let codec = codec.ok_or_else(|| CommandError::msg("the file of refresh token keys contains no key"))?;
    let keys = wiring.signing_keys()?;
    let (stores, runtime) = (wiring.stores.clone(), wiring.runtime.clone());
    let signer = Rs512Signer::new(keys.clone(), wiring.profile.clone(), runtime.telemetry.clone());
    let sessions = SessionPorts {
        stores: stores.clone(),
        runtime: runtime.clone(),
        signer: Arc::new(signer),
        refresh_token_codec: Arc::new(codec),
    };
    let issuance = Issuance::new(&sessions, &settings.tokens.sessions());
    let ports = TokensPorts {
        crypto: tokens_crypto(keys.key_set(runtime.clock.clone())),
        stores,
        runtime,
    };
    let tokens = TokensUseCases::new(&ports, &issuance, &settings.use_cases());
    let api = TokensApiSettings {
        key_set_cache_time: settings.keys.cache_time,
        accepts_query_tokens: settings.tokens.accepts_query_tokens,
        login_guard: settings.login,
    };
    Ok(module(tokens, api))
}

fn eraser(stores: &Stores) -> Arc<dyn PartEraser> {
    Arc::new(SessionEraser(stores.refresh_families.clone()))
}
