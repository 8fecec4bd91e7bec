pub(crate) mod send_quotas;
