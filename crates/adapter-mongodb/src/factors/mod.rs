mod code_documents;
pub(crate) mod factor_sets;
pub(crate) mod send_quotas;
