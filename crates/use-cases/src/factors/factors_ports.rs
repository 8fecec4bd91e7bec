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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorsSettings {
    pub codes: CodeLimits,
    pub sends: SendQuotaSettings,
    /// The maximum number of messages that the process sends in an hour.
    pub sends_per_hour: u32,
    /// The region codes of the mobile numbers that codes are sent to.
    pub regions: Vec<String>,
}

impl Default for FactorsSettings {
    /// Returns the default limits. 10,000 messages in an hour are about three a second, more than most installations
    /// send, and they bound the cost of an hour of toll fraud. Region 55 is Brazil.
    fn default() -> Self {
        Self {
            codes: CodeLimits::default(),
            sends: SendQuotaSettings::default(),
            sends_per_hour: 10_000,
            regions: vec!["55".to_owned()],
        }
    }
}
