//! What the factors context needs.

mod factor_sets;

pub use factor_sets::{FactorSets, Saving};
