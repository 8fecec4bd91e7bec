//! A user's contacts, and the one-time codes sent to them.

mod add_contacts;
mod change_contact;
mod factor_set_editor;
mod list_own_contacts;
mod owned_factor_sets;
mod remove_contact;
mod send_code;
mod use_cases;
mod validate_code;

use std::sync::Arc;

use domain::factors::{CodeLimits, FactorSet, SendQuotaSettings};
use ports::factors::{CodeDelivery, CodeDigester, SendQuotas};
use ports::{Clients, Clock, Identities, Randomness, Runtime, Stores, VersionedStore};

pub use add_contacts::{AddContacts, ItemOutcome};
pub use change_contact::{ChangeContact, ContactChange};
pub use factor_set_editor::ContactError;
pub use list_own_contacts::{ListOwnContacts, ListOwnContactsError};
pub use remove_contact::RemoveContact;
pub use send_code::{SendCode, SendCodeError, SentCode};
pub use use_cases::FactorsUseCases;
pub use validate_code::{CodeSubmission, ValidateCode, ValidateCodeError};

/// The ports of the context.
#[derive(Clone)]
pub struct FactorsPorts {
    pub factor_sets: Arc<dyn VersionedStore<FactorSet>>,
    pub identities: Arc<dyn Identities>,
    pub send_quotas: Arc<dyn SendQuotas>,
    pub clients: Arc<dyn Clients>,
    pub code_digester: Arc<dyn CodeDigester>,
    pub delivery: Arc<dyn CodeDelivery>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Arc<dyn Randomness>,
}

impl FactorsPorts {
    pub fn new(
        stores: &Stores,
        runtime: &Runtime,
        code_digester: Arc<dyn CodeDigester>,
        delivery: Arc<dyn CodeDelivery>,
    ) -> Self {
        Self {
            factor_sets: stores.factor_sets.clone(),
            identities: stores.identities.clone(),
            send_quotas: stores.send_quotas.clone(),
            clients: stores.clients.clone(),
            code_digester,
            delivery,
            clock: runtime.clock.clone(),
            randomness: runtime.randomness.clone(),
        }
    }
}

/// The limits that the operator sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FactorsSettings {
    pub codes: CodeLimits,
    pub sends: SendQuotaSettings,
}
