//! Clients and users.

use adapter_crypto::Sha256;
use domain::client::Client;
use domain::contact::{ContactType, Email};
use domain::identity::{Identity, MainContact};
use domain::ids::{ClientId, ContactId, UserId};
use ports::tokens::ClientSecrets as _;

pub fn to_strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub fn client_id(id: &str) -> ClientId {
    ClientId::parse(id).expect("a valid id")
}

pub fn user_id(id: &str) -> UserId {
    UserId::parse(id).expect("a valid id")
}

pub fn secret_of(client: &str) -> String {
    format!("the long secret of {client}")
}

/// Returns a client with the secret [`secret_of`] its id.
pub fn client(id: &str, roles: &[&str], scopes: &[&str]) -> Client {
    Client {
        secrets: vec![Sha256.digest(&secret_of(id))],
        roles: to_strings(roles),
        scopes: to_strings(scopes),
        ..Client::new(client_id(id))
    }
}

/// Returns a user who registered with an e-mail address.
pub fn user(id: &str, address: &str, roles: &[&str]) -> Identity {
    Identity {
        id: user_id(id),
        name: None,
        email: Some(MainContact {
            id: ContactId::parse(format!("{id}-mail")).expect("a valid id"),
            value: Email::parse(address).expect("a valid address"),
        }),
        mobile: None,
        main_contact_type: ContactType::Email,
        roles: to_strings(roles),
        groups: Vec::new(),
        businesses: Vec::new(),
    }
}
