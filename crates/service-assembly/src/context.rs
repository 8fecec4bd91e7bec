use std::sync::Arc;

use adapter_http::{Description, Endpoints, Module};
use ports::{Aggregate, Stores};
use service_runtime::{CommandError, Section};
use stored_forms::Collection;
use use_cases::{EraseRemovedUsers, PartEraser};

use crate::wiring::Wiring;

/// Returns what erases the part of a removed user that a context stores.
pub type Eraser = fn(&Stores) -> Arc<dyn PartEraser>;

/// A context, as the processes that serve it know it.
pub struct Context {
    /// The name, such as `credential-lock`.
    pub name: &'static str,
    /// The collections that it owns: a process relays, purges and indexes those of its contexts, and no others.
    pub collections: &'static [&'static [Collection]],
    /// Registers and describes its endpoints.
    pub routes: fn(Endpoints) -> Endpoints,
    /// True if it issues tokens. A process without such a context needs no private key.
    pub signs: bool,
    /// The sections of the settings that only this context reads.
    pub settings: &'static [Section],
    /// The sections that name its secret files. `authme` generates the secrets.
    pub secrets: &'static [Section],
    /// Connects its ports to the adapters.
    pub wire: fn(&Wiring) -> Result<Module, CommandError>,
    /// Erases its part of a removed user, if it stores anything of users.
    pub eraser: Option<Eraser>,
}

impl Context {
    /// Returns the aggregates that contexts own.
    pub fn aggregates(contexts: &[&Self]) -> Vec<&'static Aggregate> {
        let collections = contexts.iter().flat_map(|context| context.collections);
        collections
            .copied()
            .flatten()
            .map(|collection| collection.aggregate)
            .collect()
    }

    /// Returns the erasure of removed users, as far as these contexts own what is stored of them.
    pub fn erase_removed_users(contexts: &[&Self], stores: &Stores) -> EraseRemovedUsers {
        let erasers = contexts.iter().filter_map(|context| context.eraser);
        let erasers = erasers.map(|eraser| eraser(stores)).collect();
        EraseRemovedUsers::new(stores.identities.clone(), erasers)
    }

    /// Returns the sections of contexts, without their secrets.
    pub fn sections(contexts: &[&Self]) -> Vec<Section> {
        contexts.iter().flat_map(|context| context.settings.to_vec()).collect()
    }

    /// Returns the sections of the secrets of contexts.
    pub fn secret_sections(contexts: &[&Self]) -> Vec<Section> {
        contexts.iter().flat_map(|context| context.secrets.to_vec()).collect()
    }

    /// Describes its endpoints.
    pub fn description(&self) -> Description {
        adapter_http::describe(self.routes)
    }
}
