use std::fmt::Write as _;
use std::fs;
use std::ops::Range;

use anyhow::Context as _;
use serde_json::Value;
use test_servers::authme::{DataFolder, Server};
use test_servers::http::{Connection, Response, basic, request};

use crate::load::LoadClient;

/// The beginning of every path of the API.
pub(crate) const BASE: &str = "/security/iam/v1";

/// A registered client.
pub(crate) struct Client {
    /// The header value of HTTP Basic.
    basic: String,
}

/// A gateway that reports SAML logins, and a portal that gets the users' tokens.
pub(crate) struct Clients {
    gateway: Client,
    portal: Client,
}

/// A user's session through the portal.
pub(crate) struct Session {
    /// `Bearer …` with the portal's own token.
    pub(crate) client: String,
    /// `Bearer …` with the user's token.
    pub(crate) user: String,
    pub(crate) refresh_token: String,
}

impl Client {
    /// Registers a client by `client add` with these arguments.
    pub(crate) fn add(data: &DataFolder, arguments: &[&str]) -> anyhow::Result<Self> {
        let added: Value = serde_json::from_str(&data.operate(&[&["client", "add"], arguments].concat())?)?;
        let field = |name: &str| {
            added
                .get(name)
                .and_then(|value| value.as_str())
                .context("no secret was printed")
        };
        Ok(Self {
            basic: basic(field("clientId")?, field("clientSecret")?),
        })
    }

    /// Logs the client in and returns `Bearer …` with its own token.
    pub(crate) fn log_in(&self, connection: &mut Connection) -> anyhow::Result<String> {
        let response = connection.send("POST", &format!("{BASE}/client-identities/login"), &self.basic, "")?;
        Ok(format!("Bearer {}", response.expect_status(200)?.text("accessToken")?))
    }
}

impl Clients {
    pub(crate) fn register(data: &DataFolder) -> anyhow::Result<Self> {
        let roles = ["--role", "CLI-AUTH-BASIC", "--role", "CLI-1STPARTY"];
        let gateway = Client::add(data, &[&["gateway", "--scope", "SAML_SSO"], &roles[..]].concat())?;
        // Tokens that outlive the measurement, which is not about the login.
        let portal = [
            "portal",
            "--role",
            "CLI-AUTH-IDENTIFIED",
            "--role",
            "CLI-1STPARTY",
            "--scope",
            "READ",
            "--scope",
            "WRITE",
            "--saml",
            "--factor-visibility",
            "UNRESTRICTED",
            "--access-token-lifetime",
            "1h",
        ];
        let portal = Client::add(data, &portal)?;
        Ok(Self { gateway, portal })
    }

    /// Logs a user in by SAML and returns the session with its first tokens.
    pub(crate) fn start_session(&self, server: &Server, email: &str) -> anyhow::Result<Session> {
        let mut connection = Connection::open(server.port)?;
        let gateway = self.gateway.log_in(&mut connection)?;
        let portal = self.portal.log_in(&mut connection)?;
        let body = format!(r#"{{"email":"{email}","groups":[]}}"#);
        let login = connection.send(
            "POST",
            &format!("{BASE}/user-identities/handle-auth?clientId=portal"),
            &gateway,
            &body,
        )?;
        let renewed = connection.send(
            "POST",
            &renew_path(&login.expect_status(200)?.text("validationToken")?),
            &portal,
            "",
        )?;
        renewed.expect_status(200)?;
        Ok(Session {
            client: portal,
            user: format!("Bearer {}", renewed.text("accessToken")?),
            refresh_token: renewed.text("refreshToken")?,
        })
    }
}

/// Returns the path that renews a token, with `remember-me`.
pub(crate) fn renew_path(token: &str) -> String {
    format!("{BASE}/user-identities/renew-token?token={token}&remember-me=true")
}

/// Renews the sessions in turn, each with its latest refresh token. The number is the index of the current session.
pub(crate) struct RenewalClient<'a>(pub(crate) &'a mut [Session], pub(crate) usize);

impl LoadClient for RenewalClient<'_> {
    fn next_request(&mut self) -> String {
        self.1 = (self.1 + 1) % self.0.len();
        let session = self.0.get(self.1);
        session
            .map(|session| request("POST", &renew_path(&session.refresh_token), &session.client, ""))
            .unwrap_or_default()
    }

    fn handle_response(&mut self, response: &Response) -> anyhow::Result<()> {
        if let Some(session) = self.0.get_mut(self.1) {
            session.refresh_token = response.expect_status(200)?.text("refreshToken")?;
        }
        Ok(())
    }
}

/// Sends GET requests for a path as the users of the sessions, in turn. The number is the index of the current session.
pub(crate) struct GetClient<'a>(pub(crate) &'a str, pub(crate) &'a [Session], pub(crate) usize);

impl LoadClient for GetClient<'_> {
    fn next_request(&mut self) -> String {
        self.2 = (self.2 + 1) % self.1.len();
        let session = self.1.get(self.2);
        session
            .map(|session| request("GET", self.0, &session.user, ""))
            .unwrap_or_default()
    }

    fn handle_response(&mut self, response: &Response) -> anyhow::Result<()> {
        response.expect_status(200)?;
        Ok(())
    }
}

/// Returns the path of the caller's own contacts.
pub(crate) fn contacts_path() -> String {
    format!("{BASE}/user-identities/me/authentication-factors")
}

/// Returns the e-mail address of the n-th user.
pub(crate) fn email(n: usize) -> String {
    format!("user{n}@bench.example.com")
}

/// The ids of the users of one store: 24 hexadecimal digits. The first eight are the same for all users.
#[derive(Clone, Copy, Default)]
pub(crate) struct UserIds(pub(crate) u32);

impl UserIds {
    /// Returns the id of the n-th user.
    pub(crate) fn nth(self, n: usize) -> String {
        format!("{:08x}{n:016x}", self.0)
    }
}

/// Imports users by `identity import`.
pub(crate) fn import(data: &DataFolder, ids: UserIds, users: Range<usize>) -> anyhow::Result<()> {
    let mut lines = String::with_capacity(users.len() * 120);
    for n in users {
        writeln!(
            lines,
            r#"{{"userId":"{}","email":{{"address":"{}"}},"roles":["AUTH-BASIC","USER"]}}"#,
            ids.nth(n),
            email(n)
        )?;
    }
    let file = data.path("users.ndjson");
    fs::write(&file, lines)?;
    data.operate(&["identity", "import", file.to_str().context("a path")?])?;
    Ok(())
}
