use std::sync::Arc;

use adapter_crypto::{HmacCodeDigester, read_private, read_secret};
use service_assembly::settings::{CodeSecretSettings, CodeSettings, delivery};
use service_assembly::{Context, Shared};
use service_runtime::CommandError;
use use_cases::factors::{FactorsPorts, FactorsUseCases};

/// Connects the ports of the factors context to their adapters.
pub(crate) fn wire(shared: &Shared) -> Result<Context, CommandError> {
    let invalid = || CommandError::context("the settings are invalid");
    let codes = shared.settings.read::<CodeSettings>().map_err(invalid())?;
    let secrets = shared.settings.read::<CodeSecretSettings>().map_err(invalid())?;
    let secrets = read_secret(&secrets.codes_file);
    let secrets = secrets.map_err(CommandError::context(
        "the key of one-time codes (`secrets.codes_file`) cannot be read",
    ))?;
    let code_digester =
        HmacCodeDigester::new(&secrets).ok_or_else(|| CommandError::msg("`secrets.codes_file` contains no key"))?;
    let delivery = delivery(&shared.settings).map_err(invalid())?;
    let delivery = delivery
        .into_settings(None, read_private)
        .and_then(adapter_delivery::open);
    let delivery = delivery.map_err(CommandError::context("the delivery of codes cannot be set up"))?;
    let ports = FactorsPorts::new(
        &shared.stores,
        &shared.runtime,
        Arc::new(code_digester),
        Arc::new(delivery),
    );
    Ok(Context::Factors(FactorsUseCases::new(&ports, &codes.use_cases())))
}
