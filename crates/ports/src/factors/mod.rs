//! Ports of the factors context: factor sets, send quotas, and the digest and delivery of codes.

mod code_delivery;
mod code_digester;
mod factor_sets;
mod send_quotas;

pub use code_delivery::{CodeDelivery, CodeMessage, DeliveryError};
pub use code_digester::CodeDigester;
pub use factor_sets::FactorSets;
pub use send_quotas::{QuotaDecision, SEND_LIMITS, SendQuotas};
