use std::fmt;

use serde_json::Value;

use crate::Installation;

/// A client and its secret, as the operator was told them.
#[derive(Clone)]
pub struct ClientLogin {
    pub id: String,
    pub secret: String,
}

impl fmt::Debug for ClientLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientLogin")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The clients of every story.
#[derive(Debug, Clone)]
pub struct Cast {
    /// Hands users over.
    pub gateway: ClientLogin,
    /// Acts for users, and shows all of their contacts.
    pub portal: ClientLogin,
    /// Locks and unlocks.
    pub desk: ClientLogin,
}

const APPLICATION: [&str; 4] = ["--role", "CLI-AUTH-IDENTIFIED", "--role", "CLI-1STPARTY"];
const MACHINE: [&str; 4] = ["--role", "CLI-AUTH-BASIC", "--role", "CLI-1STPARTY"];

impl Installation {
    /// Registers the clients of every story.
    pub async fn cast(&self) -> Cast {
        let portal = [
            "--saml",
            "--identity-provider",
            "--scope=READ",
            "--scope=WRITE",
            "--factor-visibility=UNRESTRICTED",
            "--administration",
        ];
        Cast {
            gateway: self.machine("gateway", &["--scope=SAML_SSO", "--may-assert=*"]).await,
            portal: self.application("portal", &portal).await,
            desk: self
                .machine(
                    "desk",
                    &["--scope=account_lock", "--scope=account_unlock", "--scope=events_read"],
                )
                .await,
        }
    }

    /// Registers an application of the house, with these options of `authme client add`.
    pub async fn application(&self, id: &str, options: &[&str]) -> ClientLogin {
        self.client(id, &[&APPLICATION, options].concat()).await
    }

    /// Registers a client without users, with these options of `authme client add`.
    pub async fn machine(&self, id: &str, options: &[&str]) -> ClientLogin {
        self.client(id, &[&MACHINE, options].concat()).await
    }

    /// Registers a client, with these options of `authme client add`.
    pub async fn client(&self, id: &str, options: &[&str]) -> ClientLogin {
        let added = self.operator(&[&["client", "add", id], options].concat()).await;
        ClientLogin {
            id: id.to_owned(),
            secret: told(&added, "clientSecret"),
        }
    }

    /// Registers a user with this e-mail and these options of `authme identity add`; the user's id.
    pub async fn user(&self, email: &str, options: &[&str]) -> String {
        let roles = ["--role", "AUTH-BASIC", "--role", "USER"];
        let added = self
            .operator(&[&["identity", "add", "--email", email], &roles[..], options].concat())
            .await;
        told(&added, "userId")
    }
}

/// A text of the one object that a command printed.
fn told(lines: &[Value], name: &str) -> String {
    let text = lines.first().and_then(|line| line.get(name)).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("{lines:?} has no {name}")).to_owned()
}
