use std::sync::Arc;

use domain::factors::{CodeLimits, SendQuotaSettings};
use ports::factors::{CodeDelivery, CodeDigester};
use ports::{Runtime, Stores};

/// The ports of the context.
#[derive(Clone)]
pub struct FactorsPorts {
    pub stores: Stores,
    pub runtime: Runtime,
    pub code_digester: Arc<dyn CodeDigester>,
    pub delivery: Arc<dyn CodeDelivery>,
}

/// The limits that the operator sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FactorsSettings {
    pub codes: CodeLimits,
    pub sends: SendQuotaSettings,
}
