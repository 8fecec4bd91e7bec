mod factor_sets;
pub(crate) mod send_quotas;
