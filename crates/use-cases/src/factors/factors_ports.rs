use std::sync::Arc;

use domain::factors::{CodeLimits, FactorSet, SendQuotaSettings};
use ports::factors::{CodeDelivery, CodeDigester, SendQuotas};
use ports::{Clients, Clock, Identities, Randomness, Runtime, Stores, VersionedStore};

/// The ports of the context.
#[derive(Clone)]
pub struct FactorsPorts {
    pub factor_sets: Arc<dyn VersionedStore<FactorSet>>,
    pub identities: Arc<dyn Identities>,
    pub send_quotas: Arc<dyn SendQuotas>,
    pub clients: Arc<dyn Clients>,
    pub code_digester: Arc<dyn CodeDigester>,
    pub delivery: Arc<dyn CodeDelivery>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Arc<dyn Randomness>,
}

impl FactorsPorts {
    pub fn new(
        stores: &Stores,
        runtime: &Runtime,
        code_digester: Arc<dyn CodeDigester>,
        delivery: Arc<dyn CodeDelivery>,
    ) -> Self {
        Self {
            factor_sets: stores.factor_sets.clone(),
            identities: stores.identities.clone(),
            send_quotas: stores.send_quotas.clone(),
            clients: stores.clients.clone(),
            code_digester,
            delivery,
            clock: runtime.clock.clone(),
            randomness: runtime.randomness.clone(),
        }
    }
}

/// The limits that the operator sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FactorsSettings {
    pub codes: CodeLimits,
    pub sends: SendQuotaSettings,
}
