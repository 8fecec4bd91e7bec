use reqwest::{Client, Method, Url};
use serde_json::{Value, json};

use crate::request::{Request, http_client};
use crate::{ClientLogin, Fixtures, Response, Service};

const BASE: &str = "/security/iam/v1";

/// An HTTP client of the three services, each at its base URL. It reuses connections.
#[derive(Debug, Clone)]
pub struct Caller {
    http: Client,
    tokens: String,
    factors: String,
    credential_lock: String,
}

impl Caller {
    /// Creates a caller of the services at these base URLs, such as `http://127.0.0.1:8080`.
    pub fn new(tokens: impl Into<String>, factors: impl Into<String>, credential_lock: impl Into<String>) -> Self {
        Self {
            http: http_client(),
            tokens: tokens.into(),
            factors: factors.into(),
            credential_lock: credential_lock.into(),
        }
    }

    /// Returns a caller that reaches one service at another base URL and shares the connections.
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

    /// Returns the request that logs a client in.
    pub fn client_login(&self, client: &ClientLogin) -> Request {
        let request = self.request(Service::Tokens, "POST", "/client-identities/login", &[]);
        request.basic(&client.id, &client.secret)
    }

    /// Returns the request that reports the SAML login of the user in `body` for the client `target`.
    pub fn handle_auth(&self, bearer: &str, target: &str, body: &Value) -> Request {
        let path = "/user-identities/handle-auth";
        let request = self.request(Service::Tokens, "POST", path, &[("clientId", target)]);
        request.bearer(bearer).json(body)
    }

    /// Returns the request that renews by a validation token or a refresh token.
    pub fn renew(&self, bearer: &str, token: &str, remember_me: bool) -> Request {
        let remember_me = if remember_me { "true" } else { "false" };
        self.renew_with(bearer, &[("token", token), ("remember-me", remember_me)])
    }

    /// Returns the request that renews with these query parameters.
    pub fn renew_with(&self, bearer: &str, query: &[(&str, &str)]) -> Request {
        let path = "/user-identities/renew-token";
        self.request(Service::Tokens, "POST", path, query).bearer(bearer)
    }

    /// Returns the request that takes the user of the token to the client `target`.
    pub fn change_app(&self, bearer: &str, target: &str) -> Request {
        let path = "/user-identities/change-app";
        let request = self.request(Service::Tokens, "POST", path, &[("targetClientId", target)]);
        request.bearer(bearer)
    }

    /// Returns the request that adds a list of contacts to the user.
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

    fn lock_or_unlock(&self, operation: &str, bearer: &str, user: &str) -> Request {
        let path = format!("/user-identities/{operation}");
        let request = self.request(Service::CredentialLock, "POST", &path, &[]);
        request.bearer(bearer).json(&json!({"userId": user}))
    }

    /// Logs a client in and returns its access token.
    pub async fn client_token(&self, client: &ClientLogin) -> String {
        self.client_login(client)
            .send()
            .await
            .expect_status(200)
            .text("accessToken")
    }

    /// Logs the user with this e-mail address in by SAML and returns the validation token for the portal.
    pub async fn validation_token(&self, fixtures: &Fixtures, email: &str) -> String {
        let gateway = self.client_token(&fixtures.gateway).await;
        let body = json!({"email": email, "groups": []});
        let login = self.handle_auth(&gateway, &fixtures.portal.id, &body).send().await;
        login.expect_status(200).text("validationToken")
    }

    /// Starts a session of the user with this e-mail address at the portal. The response has `accessToken` and
    /// `refreshToken`.
    pub async fn start_session(&self, fixtures: &Fixtures, email: &str) -> Response {
        let token = self.validation_token(fixtures, email).await;
        let portal = self.client_token(&fixtures.portal).await;
        self.renew(&portal, &token, true).send().await.expect_status(200)
    }

    /// Returns a request for any operation below the base path of the API.
    pub fn request(&self, service: Service, method: &str, path: &str, query: &[(&str, &str)]) -> Request {
        self.at_root(service, method, &format!("{BASE}{path}"), query)
    }

    /// Returns a request for a page at the root of the port, such as `/openapi.json`.
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
