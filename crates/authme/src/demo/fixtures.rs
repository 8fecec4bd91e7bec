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
use ports::{ClientSaveOutcome, Clients, IdentitySaveOutcome, Randomness as _};

use service_assembly::DataFolder;

use crate::CommandError;

pub(super) const EMAIL: &str = "ana.souza@br.example.com";
pub(super) const GROUP: &str = "Finance";
pub(super) const GROUP_ROLE: &str = "REPORTS_APPROVER";

/// A registered client, with the secret that only the client knows.
pub(super) struct DemoClient {
    pub(super) id: &'static str,
    secret: String,
}

impl DemoClient {
    /// Returns the client's ID and secret as HTTP Basic writes them (RFC 7617).
    pub(super) fn basic(&self) -> String {
        STANDARD.encode(format!("{}:{}", self.id, self.secret))
    }
}

/// The clients and the user of the scenario, as they are stored.
pub(super) struct Fixtures {
    pub(super) gateway: DemoClient,
    pub(super) portal: DemoClient,
    pub(super) desk: DemoClient,
    /// The ID of the user.
    pub(super) user: String,
}

/// The registration of a client.
struct ClientSetup {
    roles: [&'static str; 2],
    scopes: &'static [&'static str],
    may_assert: Option<&'static str>,
    accepts_saml: bool,
    visibility: Visibility,
}

/// Stores the fixtures in an empty folder.
pub(super) async fn register(folder: &DataFolder) -> Result<Fixtures, CommandError> {
    let stores = folder.store(1)?.stores;
    let clients = &*stores.clients;
    let machine = |scopes, may_assert| ClientSetup {
        roles: ["CLI-AUTH-BASIC", "CLI-1STPARTY"],
        scopes,
        may_assert,
        accepts_saml: false,
        visibility: Visibility::default(),
    };
    let portal = ClientSetup {
        roles: ["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"],
        scopes: &[],
        may_assert: None,
        accepts_saml: true,
        visibility: Visibility::Unrestricted,
    };
    let user = new_user()?;
    let fixtures = Fixtures {
        gateway: register_client(clients, "saml-gateway", machine(&["SAML_SSO"], Some(GROUP))).await?,
        portal: register_client(clients, "portal", portal).await?,
        desk: register_client(
            clients,
            "security-desk",
            machine(&["account_lock", "events_read"], None),
        )
        .await?,
        user: user.id.to_string(),
    };
    let group = Group {
        name: GROUP.to_owned(),
        roles: vec![GROUP_ROLE.to_owned()],
    };
    stores.groups.save(&group).await?;
    match stores.identities.create(&user).await? {
        IdentitySaveOutcome::Saved => Ok(fixtures),
        IdentitySaveOutcome::LoginTaken { .. } | IdentitySaveOutcome::IdTaken => {
            Err(CommandError::msg("the folder already holds the demo's user"))
        }
    }
}

async fn register_client(
    clients: &dyn Clients,
    id: &'static str,
    setup: ClientSetup,
) -> Result<DemoClient, CommandError> {
    let name = ClientId::parse(id).map_err(|malformed| CommandError::msg(malformed.to_string()))?;
    let secret = domain::hex::encode(&SystemRandomness.secret());
    let client = Client {
        secrets: vec![Sha256.digest(&secret)],
        roles: setup.roles.map(str::to_owned).to_vec(),
        message_templates: Some("en".to_owned()),
        scopes: setup.scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        assertable_groups: setup.may_assert.into_iter().map(str::to_owned).collect(),
        accepts_saml: setup.accepts_saml,
        visibility: setup.visibility,
        ..Client::new(name)
    };
    match clients.create(&client).await? {
        ClientSaveOutcome::Saved => Ok(DemoClient { id, secret }),
        ClientSaveOutcome::NameTaken(_) => Err(CommandError::msg("the folder already holds the demo's clients")),
    }
}

fn new_user() -> Result<Identity, CommandError> {
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
