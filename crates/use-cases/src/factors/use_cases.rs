use super::factor_set_editor::FactorSetEditor;
use super::{
    AddContacts, ChangeContact, FactorsPorts, FactorsSettings, ListOwnContacts, RemoveContact, SendCode, ValidateCode,
};

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
