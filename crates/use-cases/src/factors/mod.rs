//! A user's contacts.

mod add_contacts;
mod list_own_contacts;

use std::sync::Arc;

use ports::factors::FactorSets;
use ports::{Clients, Clock, CredentialStandings, Identities, Randomness};

pub use add_contacts::{AddContacts, AddContactsError, ItemOutcome};
pub use list_own_contacts::{ListOwnContacts, ListOwnContactsError};

/// What the context needs from outside.
#[derive(Clone)]
pub struct FactorsPorts {
    pub factor_sets: Arc<dyn FactorSets>,
    pub identities: Arc<dyn Identities>,
    pub clients: Arc<dyn Clients>,
    pub standings: Arc<dyn CredentialStandings>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Arc<dyn Randomness>,
}

/// The use cases of the context.
pub struct Factors {
    pub add_contacts: AddContacts,
    pub list_own_contacts: ListOwnContacts,
}

impl Factors {
    pub fn new(ports: &FactorsPorts) -> Self {
        Self {
            add_contacts: AddContacts::new(ports),
            list_own_contacts: ListOwnContacts::new(ports),
        }
    }
}
