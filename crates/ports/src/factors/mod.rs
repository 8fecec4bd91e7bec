//! Ports of the factors context: send quotas, and the digest and delivery of codes.

mod code_delivery;
mod code_digester;
mod send_quotas;

pub use code_delivery::{CodeDelivery, CodeMessage, DeliveryError};
pub use code_digester::CodeDigester;
pub use send_quotas::{QuotaDecision, SEND_LIMITS, SendQuotas};
