use std::sync::Arc;

use adapter_crypto::{HmacRefreshTokenCodec, Rs512Signer, Sha256, read_secret};
use service_assembly::settings::{IssuerSettings, RefreshSecretSettings};
use service_assembly::{Context, Shared};
use service_runtime::CommandError;
use use_cases::sessions::{Issuance, SessionPorts};
use use_cases::tokens::{TokensCrypto, TokensPorts, TokensUseCases};

/// Connects the ports of the tokens context to their adapters.
pub(crate) fn wire(shared: &Shared) -> Result<Context, CommandError> {
    let invalid = || CommandError::context("the settings are invalid");
    let settings = IssuerSettings::read(&shared.settings).map_err(invalid())?;
    let secrets = shared.settings.read::<RefreshSecretSettings>().map_err(invalid())?;
    let secrets = read_secret(&secrets.refresh_file);
    let secrets = secrets.map_err(CommandError::context(
        "the keys of refresh tokens (`secrets.refresh_file`) cannot be read",
    ))?;
    let refresh_token_codec = HmacRefreshTokenCodec::new(&secrets)
        .ok_or_else(|| CommandError::msg("`secrets.refresh_file` contains no key"))?;
    let keys = shared.signing_keys()?;
    let signer = Rs512Signer::new(keys.clone(), shared.profile.clone(), shared.runtime.telemetry.clone());
    let (stores, runtime) = (&shared.stores, &shared.runtime);
    let sessions = SessionPorts::new(stores, runtime, Arc::new(signer), Arc::new(refresh_token_codec));
    let issuance = Issuance::new(&sessions, &settings.tokens.sessions());
    let crypto = TokensCrypto {
        key_set: keys.key_set(runtime.clock.clone()),
        client_secrets: Arc::new(Sha256),
        hasher: Arc::new(Sha256),
    };
    let ports = TokensPorts::new(stores, runtime, sessions, crypto);
    Ok(Context::Tokens {
        tokens: TokensUseCases::new(&ports, &issuance, &settings.use_cases()),
        key_set_cache_time: settings.keys.cache_time,
        accepts_query_tokens: settings.tokens.accepts_query_tokens,
        login_guard: settings.login,
    })
}
