//! The operations of docs/api, called at three base URLs. All cases share one installation; a case that changes a user
//! registers its own.

mod credential_lock;
mod directory;
mod factors;
mod management;
mod tokens;

use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use end_to_end::{
    Caller, ClientLogin, Deployment, Fixtures, Installation, Options, Response, Servers, trial_on_servers,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) const ANA: &str = "example@br.experian.com";
pub(crate) const BUSINESS: &str = "60773aa94a50c11cfe00314d";

/// An installation with its services, clients and users.
pub(crate) struct TestApp {
    pub(crate) services: Deployment,
    pub(crate) caller: Caller,
    pub(crate) servers: Servers,
    pub(crate) fixtures: Fixtures,
    /// Sees only the contacts that are credentials.
    pub(crate) shop: ClientLogin,
    /// Sees only the contacts with the tag `MARKED_RESOURCES`.
    pub(crate) marked: ClientLogin,
    /// Lets `handle-auth` create users.
    pub(crate) creator: ClientLogin,
    /// Has no role that gives a permission.
    pub(crate) powerless: ClientLogin,
    pub(crate) ana: String,
    installation: Installation,
}

impl TestApp {
    async fn new(servers: Servers) -> Self {
        let installation = Installation::new(&servers).await;
        for role in ["GERENCIADOR", "CLI-OTHER"] {
            installation.operate(&["role", "add", role]).await;
        }
        let group = ["group", "add", "IDC_GERENCIADOR_MANAGER", "--role", "GERENCIADOR"];
        installation.operate(&group).await;
        let marked = ["--saml", "--factor-visibility=MARKED_RESOURCES"];
        Self {
            fixtures: installation.register_fixtures().await,
            shop: installation
                .register_application("shop", &["--saml", "--scope=READ"])
                .await,
            marked: installation.register_application("marked", &marked).await,
            creator: installation
                .register_application("creator", &["--saml", "--create-users"])
                .await,
            powerless: installation.register_client("powerless", &["--role=CLI-OTHER"]).await,
            ana: installation.register_user(ANA, &["--name=Ana"]).await,
            services: installation.start_all(&Options::default()).await,
            caller: installation.caller(),
            servers,
            installation,
        }
    }

    /// Registers a user that no other case uses, and returns the id.
    pub(crate) async fn register_user(&self, email: &str, options: &[&str]) -> String {
        self.installation.register_user(email, options).await
    }

    pub(crate) async fn client_token(&self, client: &ClientLogin) -> String {
        self.caller.client_token(client).await
    }

    /// Runs a command of the operator, and returns whether it succeeded.
    pub(crate) async fn operate(&self, arguments: &[&str]) -> bool {
        self.installation.try_operate(arguments).await.code == Some(0)
    }

    pub(crate) async fn portal_token(&self) -> String {
        self.client_token(&self.fixtures.portal).await
    }

    /// Logs a user in by SAML with only the e-mail address.
    pub(crate) async fn handle_auth(&self, target: &str, email: &str) -> Response {
        let gateway = self.client_token(&self.fixtures.gateway).await;
        let body = json!({"email": email, "groups": []});
        self.caller.handle_auth(&gateway, target, &body).send().await
    }

    /// Starts a session of the user at an application.
    pub(crate) async fn start_session_at(&self, target: &ClientLogin, email: &str) -> Response {
        let validation = self
            .handle_auth(&target.id, email)
            .await
            .expect_status(200)
            .text("validationToken");
        let bearer = self.client_token(target).await;
        self.caller
            .renew(&bearer, &validation, true)
            .send()
            .await
            .expect_status(200)
    }

    pub(crate) async fn start_session(&self, email: &str) -> Response {
        self.start_session_at(&self.fixtures.portal, email).await
    }

    pub(crate) async fn user_token(&self, email: &str) -> String {
        self.start_session(email).await.text("accessToken")
    }
}

/// Prints the logs of the services when a case panics.
struct LogOnPanic<'a>(&'a TestApp);

impl Drop for LogOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.0.installation.all_logs());
        }
    }
}

/// The installation that all cases share. Dropping the last reference kills the services.
pub(crate) type SharedApp = Arc<OnceCell<TestApp>>;

type Case = for<'a> fn(&'a TestApp) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

fn case(name: &str, shared_app: &SharedApp, case: Case) -> Trial {
    let shared_app = shared_app.clone();
    trial_on_servers(name, move |servers| async move {
        let app = shared_app.get_or_init(|| TestApp::new(servers)).await;
        let log_on_panic = LogOnPanic(app);
        case(app).await;
        drop(log_on_panic);
    })
}

macro_rules! cases {
    ($shared_app:expr, $($module:ident::$name:ident),* $(,)?) => {
        vec![$(case(
            concat!("acceptance::", stringify!($module), "::", stringify!($name)),
            $shared_app,
            |app| Box::pin($module::$name(app)),
        )),*]
    };
}

pub(crate) fn cases(shared_app: &SharedApp) -> Vec<Trial> {
    cases![
        shared_app,
        tokens::client_login_returns_a_token_with_a_published_key,
        tokens::wrong_secret_and_unknown_client_return_the_same_error,
        tokens::handle_auth_returns_the_documented_body,
        tokens::handle_auth_rejects_invalid_requests,
        tokens::handle_auth_creates_the_user_if_the_client_allows_it,
        tokens::validation_token_returns_the_users_tokens,
        tokens::validation_token_works_once_and_only_for_its_client,
        tokens::renewal_without_remember_me_returns_no_refresh_token,
        tokens::replay_of_a_rotated_refresh_token_ends_the_session,
        tokens::identity_provider_renews_by_user_and_client,
        tokens::renewal_rejects_invalid_requests,
        factors::add_contacts_succeeds_again_for_the_same_contact,
        factors::own_contacts_are_masked,
        factors::own_contacts_depend_on_the_visibility_of_the_client,
        factors::add_contacts_rejects_invalid_contacts,
        factors::add_contacts_reports_each_rejected_contact,
        factors::contacts_reject_callers_without_permission,
        credential_lock::lock_ends_every_session_and_unlock_restores_none,
        credential_lock::administrator_locks_a_user,
        credential_lock::lock_and_unlock_reject_invalid_requests,
        directory::a_removed_user_is_erased_by_all_services,
        management::each_service_returns_its_health_and_metrics,
        management::each_service_rejects_paths_of_other_services,
    ]
}

/// Returns a status and a code, to compare with a response.
pub(crate) fn error(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Returns a mobile number of São Paulo as an item of a list of contacts.
pub(crate) fn mobile(id: &str, number: u64) -> Value {
    json!({
        "id": id,
        "contactType": "MOBILE",
        "mobile": {"regionCode": 55, "areaCode": 11, "phoneNumber": number},
    })
}
