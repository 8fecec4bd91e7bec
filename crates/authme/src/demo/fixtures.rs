//! The clients, the user and the group of the demo, stored in the same form as by the operator's commands.

use adapter_crypto::{Sha256, SystemRandomness};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::client::{Client, Visibility};
use domain::contact::{ContactType, Email};
use domain::group::Group;
use domain::identity::{Identity, MainContact};
use domain::ids::{ClientId, ContactId, UserId};
use ports::tokens::ClientSecrets as _;
use ports::{ClientSaveOutcome, IdentitySaveOutcome, Randomness as _};

use service_assembly::DataFolder;

use crate::CommandError;
use crate::scenario::Values;

pub(super) const EMAIL: &str = "ana.souza@br.example.com";
pub(super) const GATEWAY: &str = "saml-gateway";
pub(super) const PORTAL: &str = "portal";
pub(super) const DESK: &str = "security-desk";
const GROUP: &str = "Finance";

/// Stores the fixtures in an empty folder. Returns their ids, and the secrets of the clients in the form of HTTP Basic (RFC
/// 7617).
pub(super) async fn register(folder: &DataFolder) -> Result<Values, CommandError> {
    let stores = folder.store(1)?.stores;
    let user = user()?;
    let mut values = Values::from([
        ("user".to_owned(), user.id.to_string()),
        ("gateway.id".to_owned(), GATEWAY.to_owned()),
        ("after".to_owned(), "0".to_owned()),
    ]);
    let gateway = Client {
        assertable_groups: vec![GROUP.to_owned()],
        ..client(GATEWAY, "CLI-AUTH-BASIC", &["SAML_SSO"])?
    };
    let portal = Client {
        accepts_saml: true,
        visibility: Visibility::Unrestricted,
        ..client(PORTAL, "CLI-AUTH-IDENTIFIED", &[])?
    };
    let desk = client(DESK, "CLI-AUTH-BASIC", &["account_lock", "events_read"])?;
    for (name, client) in [("gateway", gateway), ("portal", portal), ("desk", desk)] {
        let secret = domain::hex::encode(&SystemRandomness.secret());
        let basic = STANDARD.encode(format!("{}:{secret}", client.id));
        values.insert(format!("basic.{name}"), basic);
        let client = Client {
            secrets: vec![Sha256.digest(&secret)],
            ..client
        };
        if stores.clients.create(&client).await? != ClientSaveOutcome::Saved {
            return Err(CommandError::msg("the folder already holds the demo's clients"));
        }
    }
    let group = Group {
        name: GROUP.to_owned(),
        roles: vec!["REPORTS_APPROVER".to_owned()],
    };
    stores.groups.save(&group).await?;
    match stores.identities.create(&user).await? {
        IdentitySaveOutcome::Saved => {
            stores.upkeep.close().await;
            Ok(values)
        }
        IdentitySaveOutcome::LoginTaken { .. } | IdentitySaveOutcome::IdTaken | IdentitySaveOutcome::Removed => {
            Err(CommandError::msg("the folder already holds the demo's user"))
        }
    }
}

fn client(id: &str, role: &str, scopes: &[&str]) -> Result<Client, CommandError> {
    let id = ClientId::parse(id).map_err(|malformed| CommandError::msg(malformed.to_string()))?;
    Ok(Client {
        roles: vec![role.to_owned(), "CLI-1STPARTY".to_owned()],
        message_templates: Some("en".to_owned()),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..Client::new(id)
    })
}

fn user() -> Result<Identity, CommandError> {
    let email = Email::parse(EMAIL).map_err(|malformed| CommandError::msg(malformed.to_string()))?;
    Ok(Identity {
        id: UserId::from_random(SystemRandomness.object_id()),
        name: Some("Ana Souza".to_owned()),
        email: Some(MainContact {
            id: ContactId::from_random(SystemRandomness.object_id()),
            value: email,
        }),
        mobile: None,
        main_contact_type: ContactType::Email,
        roles: vec!["AUTH-BASIC".to_owned(), "USER".to_owned()],
        groups: Vec::new(),
        businesses: Vec::new(),
    })
}
