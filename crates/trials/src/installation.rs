use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};
use test_servers::authme::{DataFolder, Server};
use test_servers::checkout::{self, run_for_output};
use test_servers::http::basic;

use crate::connection::Connection;

/// The client that sends every request of a trial. It has the permissions for all of them.
const CLIENT: &str = "trial";

/// A data folder, and a client that is registered there.
pub(crate) struct Installation {
    data: DataFolder,
    secret: String,
}

impl Installation {
    /// Builds the program, creates a folder and registers the client.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut build = checkout::command("cargo");
        build.args(["build", "--quiet", "--locked", "--package", "authme"]);
        checkout::must_succeed(build, "authme cannot be built")?;
        let data = DataFolder::with_copy_of(&checkout::target()?.join("debug").join("authme"))?;
        let roles = ["CLI-1STPARTY", "CLI-AUTH-BASIC", "CLI-AUTH-IDENTIFIED"];
        let mut arguments = vec!["client", "add", CLIENT, "--identity-provider"];
        arguments.extend(roles.iter().flat_map(|role| ["--role", role]));
        for scope in ["account_lock", "account_unlock", "events_read"] {
            arguments.extend(["--scope", scope]);
        }
        arguments.extend(["--factor-visibility", "UNRESTRICTED"]);
        let registered: Value = serde_json::from_str(&data.operate(&arguments)?)?;
        let secret = registered.get("clientSecret").and_then(Value::as_str);
        let secret = secret.context("the client has no secret")?.to_owned();
        Ok(Self { data, secret })
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.data.path("")
    }

    /// Keeps the folder for examination after a failure.
    pub(crate) fn keep(&mut self) {
        self.data.keep();
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.data.path("data")
    }

    /// Runs an operator command on another data folder and returns its output.
    pub(crate) fn operate_on(&self, data: &Path, arguments: &[&str]) -> anyhow::Result<String> {
        run_for_output(self.data.command_on(data).args(arguments))
    }

    /// Backs the data folder up.
    pub(crate) fn back_up(&self, backup: &Path) -> anyhow::Result<()> {
        let backup = backup
            .to_str()
            .context("the path of the temporary folder is not UTF-8")?;
        self.data.operate(&["backup", backup]).map(drop)
    }

    /// Imports users with an e-mail address and the roles of a user.
    pub(crate) fn import(&self, users: &[String]) -> anyhow::Result<()> {
        let file = self.data.path("users.jsonl");
        let mut lines = File::create(&file)?;
        for user in users {
            let email = json!({"address": format!("{user}@example.com")});
            writeln!(
                lines,
                "{}",
                json!({"userId": user, "email": email, "roles": ["AUTH-BASIC", "USER"]})
            )?;
        }
        let file = file.to_str().context("the path of the temporary folder is not UTF-8")?;
        self.data.operate(&["identity", "import", file]).map(drop)
    }

    pub(crate) fn serve(&self) -> anyhow::Result<Server> {
        // One client sends the requests of all users.
        let settings = [
            ("AUTHME__LIMITS__REQUESTS_PER_CLIENT", "0"),
            // Few users have all sessions of the load.
            ("AUTHME__TOKENS__SESSIONS_PER_CLIENT", "0"),
        ];
        let log = self.data.path("serve.log");
        let server = self.data.serve(&settings, File::create(&log)?);
        server.with_context(|| fs::read_to_string(log).unwrap_or_default())
    }

    /// Opens a connection and logs the client in.
    pub(crate) fn connect(&self, server: &Server) -> anyhow::Result<Connection> {
        let mut connection = Connection::open(server.port, basic(CLIENT, &self.secret))?;
        let tokens = connection.post("/client-identities/login", &json!({}))?;
        let token = tokens.expect_status(200)?.text("accessToken")?;
        connection.set_authorization(format!("Bearer {token}"));
        Ok(connection)
    }
}
