//! The contracts of the factors context.

pub(crate) mod factor_sets;
pub(crate) mod send_quotas;
