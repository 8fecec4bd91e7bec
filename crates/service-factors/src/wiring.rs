use service_assembly::{Context, Shared};
use service_runtime::Refusal;
use use_cases::factors::{Factors, FactorsPorts};

/// Where the ports of the context meet their adapters.
#[expect(
    clippy::unnecessary_wraps,
    reason = "other services need more than is shared, and may lack it"
)]
pub(crate) fn wire(shared: &Shared) -> Result<Context, Refusal> {
    let stores = &shared.stores;
    Ok(Context::Factors(Factors::new(&FactorsPorts {
        factor_sets: stores.factor_sets.clone(),
        identities: stores.identities.clone(),
        clients: stores.clients.clone(),
        standings: stores.standings.clone(),
        clock: shared.clock.clone(),
        randomness: shared.randomness.clone(),
    })))
}
