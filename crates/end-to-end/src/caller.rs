use reqwest::{Client, Method, Url};
use serde_json::{Value, json};

use crate::request::{Request, http_client};
use crate::{Answer, Cast, ClientLogin, Service};

const BASE: &str = "/security/iam/v1";

/// Somebody who calls the three services, each by its base URL, with the connections kept.
#[derive(Debug, Clone)]
pub struct Caller {
    http: Client,
    tokens: String,
    factors: String,
    credential_lock: String,
}

impl Caller {
    /// Calls the services at these base URLs, such as `http://127.0.0.1:8080`.
    pub fn new(tokens: impl Into<String>, factors: impl Into<String>, credential_lock: impl Into<String>) -> Self {
        Self {
            http: http_client(),
            tokens: tokens.into(),
            factors: factors.into(),
            credential_lock: credential_lock.into(),
        }
    }

    /// The same caller, with the connections shared, who finds this service somewhere else.
    #[must_use]
    pub fn with(&self, service: Service, base_url: impl Into<String>) -> Self {
        let mut caller = self.clone();
        match service {
            Service::Tokens => caller.tokens = base_url.into(),
            Service::Factors => caller.factors = base_url.into(),
            Service::CredentialLock => caller.credential_lock = base_url.into(),
        }
        caller
    }

    /// The client's own access token, as `accessToken` of the answer.
    pub fn client_login(&self, client: &ClientLogin) -> Request {
        let request = self.request(Service::Tokens, "POST", "/client-identities/login", &[]);
        request.basic(&client.id, &client.secret)
    }

    /// Hands the user in `body` over to the client `target`.
    pub fn hand_off(&self, bearer: &str, target: &str, body: &Value) -> Request {
        let path = "/user-identities/handle-auth";
        let request = self.request(Service::Tokens, "POST", path, &[("clientId", target)]);
        request.bearer(bearer).json(body)
    }

    /// Renews by a validation token or a refresh token.
    pub fn renew(&self, bearer: &str, token: &str, remember_me: bool) -> Request {
        let remember_me = if remember_me { "true" } else { "false" };
        self.renew_with(bearer, &[("token", token), ("remember-me", remember_me)])
    }

    /// Renews by whatever stands in the query.
    pub fn renew_with(&self, bearer: &str, query: &[(&str, &str)]) -> Request {
        let path = "/user-identities/renew-token";
        self.request(Service::Tokens, "POST", path, query).bearer(bearer)
    }

    /// Takes the user whose token it is to the client `target`.
    pub fn change_app(&self, bearer: &str, target: &str) -> Request {
        let path = "/user-identities/change-app";
        let request = self.request(Service::Tokens, "POST", path, &[("targetClientId", target)]);
        request.bearer(bearer)
    }

    /// Adds a list of contacts to the user.
    pub fn add_contacts(&self, bearer: &str, user: &str, contacts: &Value) -> Request {
        let path = format!("/user-identities/{user}/authentication-factors");
        let request = self.request(Service::Factors, "POST", &path, &[]);
        request.bearer(bearer).json(&json!({"authenticationFactors": contacts}))
    }

    pub fn own_contacts(&self, bearer: &str) -> Request {
        let path = "/user-identities/me/authentication-factors";
        self.request(Service::Factors, "GET", path, &[]).bearer(bearer)
    }

    pub fn lock(&self, bearer: &str, user: &str) -> Request {
        self.lock_or_unlock("lock", bearer, user)
    }

    pub fn unlock(&self, bearer: &str, user: &str) -> Request {
        self.lock_or_unlock("unlock", bearer, user)
    }

    fn lock_or_unlock(&self, way: &str, bearer: &str, user: &str) -> Request {
        let path = format!("/user-identities/{way}");
        let request = self.request(Service::CredentialLock, "POST", &path, &[]);
        request.bearer(bearer).json(&json!({"userId": user}))
    }

    /// Logs the client in: its access token.
    pub async fn client_token(&self, client: &ClientLogin) -> String {
        self.client_login(client)
            .answer()
            .await
            .with_status(200)
            .text("accessToken")
    }

    /// A validation token of the user with this e-mail for the portal.
    pub async fn validation_token(&self, cast: &Cast, email: &str) -> String {
        let gateway = self.client_token(&cast.gateway).await;
        let body = json!({"email": email, "groups": []});
        let handed = self.hand_off(&gateway, &cast.portal.id, &body).answer().await;
        handed.with_status(200).text("validationToken")
    }

    /// A session of the user with this e-mail at the portal: the answer has `accessToken` and `refreshToken`.
    pub async fn session(&self, cast: &Cast, email: &str) -> Answer {
        let token = self.validation_token(cast, email).await;
        let portal = self.client_token(&cast.portal).await;
        self.renew(&portal, &token, true).answer().await.with_status(200)
    }

    /// Any operation below the base path of the API.
    pub fn request(&self, service: Service, method: &str, path: &str, query: &[(&str, &str)]) -> Request {
        self.at_root(service, method, &format!("{BASE}{path}"), query)
    }

    /// A page at the root of the port, such as `/openapi.json`.
    pub fn page(&self, service: Service, path: &str) -> Request {
        self.at_root(service, "GET", path, &[])
    }

    fn at_root(&self, service: Service, method: &str, path: &str, query: &[(&str, &str)]) -> Request {
        let base = match service {
            Service::Tokens => &self.tokens,
            Service::Factors => &self.factors,
            Service::CredentialLock => &self.credential_lock,
        };
        let mut url = Url::parse(&format!("{base}{path}")).expect("a base URL and a path");
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Request::new(self.http.request(method, url))
    }
}
