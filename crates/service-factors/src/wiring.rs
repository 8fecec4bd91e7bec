use std::sync::Arc;

use adapter_crypto::{HmacCodeDigester, read_private, read_secret};
use adapter_delivery::DeliveryConfig;
use service_assembly::{Context, Shared};
use service_runtime::CommandError;
use use_cases::factors::{FactorsPorts, FactorsUseCases};

/// Where the ports of the context meet their adapters.
pub(crate) fn wire(shared: &Shared) -> Result<Context, CommandError> {
    let settings = shared.settings.sender();
    let settings = settings.map_err(CommandError::context("the settings are refused"))?;
    let secrets = read_secret(&settings.secrets.codes_file);
    let secrets = secrets.map_err(CommandError::context("the key of one-time codes cannot be read"))?;
    let code_digester =
        HmacCodeDigester::new(&secrets).ok_or_else(|| CommandError::msg("there is no key for one-time codes"))?;
    let delivery = shared.settings.read::<DeliveryConfig>();
    let delivery = delivery.map_err(CommandError::context("the settings are refused"))?;
    let delivery = delivery
        .into_settings(None, read_private)
        .and_then(adapter_delivery::open);
    let delivery = delivery.map_err(CommandError::context("codes cannot be delivered"))?;
    let stores = &shared.stores;
    let ports = FactorsPorts {
        factor_sets: stores.factor_sets.clone(),
        send_quotas: stores.send_quotas.clone(),
        clients: stores.clients.clone(),
        code_digester: Arc::new(code_digester),
        delivery: Arc::new(delivery),
        clock: shared.clock.clone(),
        randomness: shared.randomness.clone(),
    };
    Ok(Context::Factors(FactorsUseCases::new(&ports, &settings.codes.limits())))
}
