use std::sync::Arc;

use adapter_crypto::HmacCodeDigester;
use adapter_delivery::{DeliverySection, SmsSection, SmtpSection};
use adapter_http::Module;
use adapter_http::factors::{module, routes};
use ports::Stores;
use service_runtime::{CommandError, Section};
use use_cases::PartEraser;
use use_cases::factors::{FactorEraser, FactorsPorts, FactorsUseCases};

use super::{CodeSecretSettings, CodeSettings, SmsRegionSettings};
use crate::context::Context;
use crate::wiring::Wiring;

/// A user's contacts, and the one-time codes sent to them.
pub const FACTORS: Context = Context {
    name: "factors",
    collections: &[stored_forms::factors::COLLECTIONS],
    routes,
    signs: false,
    settings: &[
        Section::of::<DeliverySection>(),
        Section::of::<SmtpSection>(),
        Section::of::<SmsSection>(),
        Section::of::<SmsRegionSettings>(),
        Section::of::<CodeSettings>(),
    ],
    secrets: &[Section::of::<CodeSecretSettings>()],
    wire,
    eraser: Some(eraser),
};

fn wire(wiring: &Wiring) -> Result<Module, CommandError> {
    let codes = wiring.settings.read::<CodeSettings>();
    let codes = codes.map_err(CommandError::context("the settings are invalid"))?;
    let regions = wiring.settings.read::<SmsRegionSettings>();
    let regions = regions.map_err(CommandError::context("the settings are invalid"))?;
    regions.check()?;
    let secrets = wiring.secrets(
        "codes",
        |secrets: CodeSecretSettings| secrets.codes_file,
        "the key of one-time codes (`secrets.codes_file`) cannot be read",
    )?;
    let code_digester = HmacCodeDigester::new(&secrets)
        .ok_or_else(|| CommandError::msg("the file of one-time code keys contains no key"))?;
    let delivery = adapter_delivery::open(wiring.delivery()?);
    let delivery = delivery.map_err(CommandError::context("the delivery of codes cannot be set up"))?;
    let ports = FactorsPorts {
        stores: wiring.stores.clone(),
        runtime: wiring.runtime.clone(),
        code_digester: Arc::new(code_digester),
        delivery: Arc::new(delivery),
    };
    Ok(module(FactorsUseCases::new(&ports, &codes.use_cases(&regions))))
}

fn eraser(stores: &Stores) -> Arc<dyn PartEraser> {
    Arc::new(FactorEraser {
        factor_sets: stores.factor_sets.clone(),
        lock_statuses: stores.lock_statuses.clone(),
    })
}
