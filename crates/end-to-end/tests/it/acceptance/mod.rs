//! The documented operations (01-api), tried from outside at three base URLs. One world serves all cases; a case that
//! changes a user brings its own.

mod around;
mod credential_lock;
mod factors;
mod tokens;

use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use end_to_end::{Answer, Caller, Cast, ClientLogin, Deployment, Installation, Options, Servers, on_servers};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) const ANA: &str = "example@br.experian.com";
pub(crate) const BUSINESS: &str = "60773aa94a50c11cfe00314d";

/// A gateway, applications, a batch client that locks, and users; and the services over them.
pub(crate) struct World {
    pub(crate) services: Deployment,
    pub(crate) caller: Caller,
    pub(crate) servers: Servers,
    pub(crate) cast: Cast,
    /// Shows only credentials.
    pub(crate) shop: ClientLogin,
    /// Shows only what is marked.
    pub(crate) marked: ClientLogin,
    /// Has users made by hand-offs.
    pub(crate) creator: ClientLogin,
    /// Has no role that counts.
    pub(crate) nobody: ClientLogin,
    pub(crate) ana: String,
    installation: Installation,
}

impl World {
    async fn new(servers: Servers) -> Self {
        let installation = Installation::new(&servers).await;
        for role in ["GERENCIADOR", "CLI-OTHER"] {
            installation.operator(&["role", "add", role]).await;
        }
        let group = ["group", "add", "IDC_GERENCIADOR_MANAGER", "--role", "GERENCIADOR"];
        installation.operator(&group).await;
        let marked = ["--saml", "--factor-visibility=MARKED_RESOURCES"];
        Self {
            cast: installation.cast().await,
            shop: installation.application("shop", &["--saml", "--scope=READ"]).await,
            marked: installation.application("marked", &marked).await,
            creator: installation.application("creator", &["--saml", "--create-users"]).await,
            nobody: installation.client("nobody", &["--role=CLI-OTHER"]).await,
            ana: installation.user(ANA, &["--name=Ana"]).await,
            services: installation.start_all(&Options::default()).await,
            caller: installation.caller(),
            servers,
            installation,
        }
    }

    /// A user that no other case knows; the id.
    pub(crate) async fn user(&self, email: &str, options: &[&str]) -> String {
        self.installation.user(email, options).await
    }

    pub(crate) async fn token(&self, client: &ClientLogin) -> String {
        self.caller.client_token(client).await
    }

    pub(crate) async fn portal(&self) -> String {
        self.token(&self.cast.portal).await
    }

    /// Hands a user over by its e-mail alone.
    pub(crate) async fn hand_off(&self, target: &str, email: &str) -> Answer {
        let gateway = self.token(&self.cast.gateway).await;
        let body = json!({"email": email, "groups": []});
        self.caller.hand_off(&gateway, target, &body).answer().await
    }

    /// Tokens of the user at some application.
    pub(crate) async fn session_at(&self, target: &ClientLogin, email: &str) -> Answer {
        let validation = self
            .hand_off(&target.id, email)
            .await
            .with_status(200)
            .text("validationToken");
        let bearer = self.token(target).await;
        self.caller
            .renew(&bearer, &validation, true)
            .answer()
            .await
            .with_status(200)
    }

    pub(crate) async fn session(&self, email: &str) -> Answer {
        self.session_at(&self.cast.portal, email).await
    }

    pub(crate) async fn user_token(&self, email: &str) -> String {
        self.session(email).await.text("accessToken")
    }
}

/// Shows what was logged when a case panics.
struct Shown<'a>(&'a World);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.0.installation.everything_logged());
        }
    }
}

/// What all cases share. Who drops it last ends the services.
pub(crate) type Stage = Arc<OnceCell<World>>;

type Case = for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

fn case(name: &str, stage: &Stage, case: Case) -> Trial {
    let stage = stage.clone();
    on_servers(name, move |servers| async move {
        let world = stage.get_or_init(|| World::new(servers)).await;
        let shown = Shown(world);
        case(world).await;
        drop(shown);
    })
}

macro_rules! cases {
    ($stage:expr, $($module:ident::$name:ident),* $(,)?) => {
        vec![$(case(
            concat!("acceptance::", stringify!($module), "::", stringify!($name)),
            $stage,
            |world| Box::pin($module::$name(world)),
        )),*]
    };
}

pub(crate) fn cases(stage: &Stage) -> Vec<Trial> {
    cases![
        stage,
        tokens::a_client_login_gives_a_token_whose_key_is_published,
        tokens::a_wrong_secret_and_an_unknown_client_are_answered_alike,
        tokens::a_hand_off_answers_in_the_documented_shape,
        tokens::a_hand_off_that_cannot_be_is_refused,
        tokens::a_hand_off_makes_the_user_where_the_client_is_set_up_for_it,
        tokens::a_validation_token_becomes_a_users_tokens,
        tokens::a_validation_token_works_once_and_for_its_client_only,
        tokens::without_remember_me_there_is_no_refresh_token,
        tokens::a_refresh_token_rotates_and_its_replay_ends_the_session,
        tokens::an_identity_provider_renews_by_user_and_client,
        tokens::a_renewal_that_cannot_be_is_refused,
        factors::a_contact_is_added_and_adding_it_again_is_success,
        factors::own_contacts_are_masked,
        factors::the_client_decides_which_contacts_are_shown,
        factors::a_contact_that_breaks_a_rule_is_refused,
        factors::some_stored_and_some_not_is_told_item_by_item,
        factors::who_may_not_manage_contacts_is_refused,
        credential_lock::a_lock_ends_every_way_to_a_token_and_unlocking_revives_nothing,
        credential_lock::an_administrator_locks,
        credential_lock::an_order_that_cannot_be_is_refused,
        around::each_process_tells_its_health_and_its_figures,
        around::a_path_of_another_service_is_not_known,
    ]
}

/// Status and code.
pub(crate) fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// A mobile of São Paulo, as an item of a list of contacts.
pub(crate) fn mobile(id: &str, number: u64) -> Value {
    json!({
        "id": id,
        "contactType": "MOBILE",
        "mobile": {"regionCode": 55, "areaCode": 11, "phoneNumber": number},
    })
}
