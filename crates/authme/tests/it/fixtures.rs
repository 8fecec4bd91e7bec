//! The clients and users of the tests.

use domain::client::{Client, Visibility};
use domain::contact::{ContactType, Mobile};
use domain::group::Group;
use domain::identity::{BusinessLink, Identity, MainContact};
use domain::ids::{BusinessId, ContactId};
use futures_util::future::{join_all, join3};
use ports::Stores;
use ports::{ClientSaveOutcome, IdentitySaveOutcome};

pub(crate) const ANA_MAIL: &str = "example@br.experian.com";
pub(crate) const BIA_MAIL: &str = "bia@example.com";
pub(crate) const ROOT_MAIL: &str = "root@example.com";

/// The business that ana is linked to.
pub(crate) const BUSINESS: &str = "60773aa94a50c11cfe00314d";

pub(crate) use test_support::fixtures::{client, client_id, remove_user, secret_of, to_strings, user, user_id};

/// Returns a first-party application.
fn application(id: &str) -> Client {
    let mut client = client(id, &["CLI-AUTH-IDENTIFIED", "CLI-1STPARTY"], &["READ", "WRITE"]);
    client.accepts_saml = true;
    client
}

fn clients() -> Vec<Client> {
    let mut portal = application("portal");
    portal.is_identity_provider = true;
    portal.aliases = vec![client_id("portal.idp")];
    portal.visibility = Visibility::Unrestricted;
    portal.allows_administration = true;
    let mut marked = application("marked");
    marked.visibility = Visibility::MarkedResources;
    let mut strict = application("strict");
    strict.requires_known_groups = true;
    let mut maker = application("maker");
    maker.creates_users = true;
    let mut disabled = application("disabled");
    disabled.is_enabled = false;
    let machine = ["CLI-1STPARTY", "CLI-AUTH-BASIC"];
    let mut gateway = client("gateway", &machine, &["SAML_SSO"]);
    gateway.assertable_groups = to_strings(&["*"]);
    vec![
        portal,
        marked,
        strict,
        maker,
        disabled,
        application("shop"),
        gateway,
        client("locker", &machine, &["account_lock", "account_unlock", "events_read"]),
    ]
}

pub(crate) fn ana() -> Identity {
    let mut ana = user("ana", ANA_MAIL, &["AUTH-BASIC", "USER"]);
    ana.businesses = vec![BusinessLink {
        id: BusinessId::parse(BUSINESS).expect("a valid id"),
        roles: to_strings(&["BUYER"]),
    }];
    ana
}

fn bia() -> Identity {
    let mut bia = user("bia", BIA_MAIL, &["AUTH-BASIC", "USER"]);
    bia.mobile = Some(MainContact {
        id: ContactId::parse("bia-mobile").expect("a valid id"),
        value: Mobile::parse("55", Some("11"), "911110000").expect("a valid number"),
    });
    bia.main_contact_type = ContactType::Mobile;
    bia
}

pub(crate) async fn save_identity(stores: &Stores, identity: &Identity) {
    let saving = stores.identities.replace(identity).await;
    assert_eq!(saving.expect("the store answers"), IdentitySaveOutcome::Saved);
}

pub(crate) async fn save_client(stores: &Stores, client: &Client) {
    let saving = stores.clients.replace(client).await;
    assert_eq!(saving.expect("the store answers"), ClientSaveOutcome::Saved);
}

pub(crate) async fn seed(stores: &Stores) {
    let root = user("root", ROOT_MAIL, &["AUTH-BASIC", "USER", "IAM_ADMIN_MAINTENANCE"]);
    let identities = [ana(), bia(), root];
    let group = Group {
        name: "IDC_GERENCIADOR_MANAGER".to_owned(),
        roles: to_strings(&["MANAGER"]),
    };
    let clients = clients();
    let saved = join_all(clients.iter().map(|client| save_client(stores, client)));
    let (_, _, group) = join3(
        saved,
        join_all(identities.iter().map(|identity| save_identity(stores, identity))),
        stores.groups.save(&group),
    )
    .await;
    group.expect("the store answers");
}
