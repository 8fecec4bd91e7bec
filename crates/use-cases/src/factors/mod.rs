//! A user's contacts, and the one-time codes sent to them.

mod add_contacts;
mod change_contact;
mod factor_eraser;
mod factor_set_editor;
mod factors_ports;
mod find_with_owner;
mod list_own_contacts;
mod process_limit;
mod remove_contact;
mod send_code;
mod validate_code;

use factor_set_editor::FactorSetEditor;

pub use add_contacts::{AddContacts, ItemOutcome};
pub use change_contact::{ChangeContact, ContactChange};
pub use factor_eraser::FactorEraser;
pub use factor_set_editor::ContactError;
pub use factors_ports::{FactorsPorts, FactorsSettings};
pub use list_own_contacts::{ListOwnContacts, ListOwnContactsError};
pub use remove_contact::RemoveContact;
pub use send_code::{SendCode, SendCodeError, SentCode};
pub use validate_code::{CodeSubmission, ValidateCode, ValidateCodeError};

/// The use cases of the context.
pub struct FactorsUseCases {
    pub add_contacts: AddContacts,
    pub list_own_contacts: ListOwnContacts,
    pub change_contact: ChangeContact,
    pub remove_contact: RemoveContact,
    pub send_code: SendCode,
    pub validate_code: ValidateCode,
}

impl FactorsUseCases {
    pub fn new(ports: &FactorsPorts, settings: &FactorsSettings) -> Self {
        Self {
            add_contacts: AddContacts {
                editor: FactorSetEditor::new(ports),
            },
            list_own_contacts: ListOwnContacts::new(ports),
            change_contact: ChangeContact {
                editor: FactorSetEditor::new(ports),
            },
            remove_contact: RemoveContact {
                editor: FactorSetEditor::new(ports),
            },
            send_code: SendCode::new(ports, settings),
            validate_code: ValidateCode::new(ports, settings),
        }
    }
}
