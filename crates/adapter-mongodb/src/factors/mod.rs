pub(crate) mod factor_sets;
