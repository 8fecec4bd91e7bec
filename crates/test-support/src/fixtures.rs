//! Clients and users.

use adapter_crypto::Sha256;
use domain::actor::Actor;
use domain::client::Client;
use domain::contact::{ContactType, Email};
use domain::directory::events::removal_event;
use domain::event::EventContext;
use domain::identity::{Identity, MainContact};
use domain::ids::{ClientId, ContactId, EventId, UserId};
use domain::removal::RemovalPart;
use domain::time::Timestamp;
use ports::tokens::ClientSecrets as _;
use ports::{IdentitySaveOutcome, RemovalOutcome, Stores};

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

/// Removes a user. Nothing else of the user is erased.
pub async fn remove_user(stores: &Stores, user: &UserId) {
    let context = EventContext {
        id: EventId(format!("removal-of-{user}")),
        time: Timestamp::UNIX_EPOCH,
        by: Actor::operator("root"),
        correlation_id: None,
    };
    let removal = stores.identities.remove(user, removal_event(context, user));
    assert_eq!(removal.await.expect("the store answers"), RemovalOutcome::Removed);
}

/// Creates a removed user again as if nothing of it had to be erased, so that a test can show that a rejected request
/// changed nothing.
pub async fn restore_user(stores: &Stores, user: &Identity) {
    for part in RemovalPart::ALL {
        let struck = stores.identities.finish_removal(&user.id, part).await;
        struck.expect("the store answers");
    }
    let created = stores.identities.create(user).await.expect("the store answers");
    assert_eq!(created, IdentitySaveOutcome::Saved);
}
