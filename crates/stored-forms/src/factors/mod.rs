//! The stored forms of the factors context.

mod codes;
mod factor_sets;

pub use factor_sets::FactorSetForm;
