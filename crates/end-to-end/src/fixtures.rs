use serde_json::Value;

use crate::{ClientLogin, Fixtures, Installation};

const APPLICATION: [&str; 4] = ["--role", "CLI-AUTH-IDENTIFIED", "--role", "CLI-1STPARTY"];
const MACHINE: [&str; 4] = ["--role", "CLI-AUTH-BASIC", "--role", "CLI-1STPARTY"];

impl Installation {
    /// Registers the clients that every trial uses.
    pub async fn register_fixtures(&self) -> Fixtures {
        let portal = [
            "--saml",
            "--identity-provider",
            "--scope=READ",
            "--scope=WRITE",
            "--factor-visibility=UNRESTRICTED",
            "--administration",
        ];
        Fixtures {
            gateway: self
                .register_machine_client("gateway", &["--scope=SAML_SSO", "--may-assert=*"])
                .await,
            portal: self.register_application("portal", &portal).await,
            desk: self
                .register_machine_client(
                    "desk",
                    &["--scope=account_lock", "--scope=account_unlock", "--scope=events_read"],
                )
                .await,
        }
    }

    /// Registers a first-party application with these options of `authme client add`.
    pub async fn register_application(&self, id: &str, options: &[&str]) -> ClientLogin {
        self.register_client(id, &[&APPLICATION, options].concat()).await
    }

    /// Registers a client that has no users, with these options of `authme client add`.
    pub async fn register_machine_client(&self, id: &str, options: &[&str]) -> ClientLogin {
        self.register_client(id, &[&MACHINE, options].concat()).await
    }

    /// Registers a client with these options of `authme client add`.
    pub async fn register_client(&self, id: &str, options: &[&str]) -> ClientLogin {
        let added = self.operate(&[&["client", "add", id], options].concat()).await;
        ClientLogin {
            id: id.to_owned(),
            secret: printed_text(&added, "clientSecret"),
        }
    }

    /// Registers a user with this e-mail address and these options of `authme identity add`. Returns the id.
    pub async fn register_user(&self, email: &str, options: &[&str]) -> String {
        let roles = ["--role", "AUTH-BASIC", "--role", "USER"];
        let added = self
            .operate(&[&["identity", "add", "--email", email], &roles[..], options].concat())
            .await;
        printed_text(&added, "userId")
    }
}

/// Returns a string of the first object that a command printed.
fn printed_text(lines: &[Value], name: &str) -> String {
    let text = lines.first().and_then(|line| line.get(name)).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("{lines:?} has no {name}")).to_owned()
}
