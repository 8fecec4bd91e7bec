use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use adapter_crypto::{Sha256, SystemRandomness};
use clap::Subcommand;
use domain::client::Client;
use domain::ids::ClientId;
use domain::registration::Additions;
use domain::time;
use ports::tokens::ClientSecrets as _;
use ports::{ClientSaveOutcome, Clients, Clock as _, Randomness as _};
use serde::Serialize;
use service_runtime::SystemClock;

use super::client_line::ClientLine;
use super::client_options::{ClientOptions, parse_client_id, parse_lifetime};
use super::registry::Registry;
use super::{Access, CommandTarget, PAGE_SIZE, print};
use crate::CommandError;

/// The minimum length of a secret in characters. Secrets are stored as SHA-256, a fast hash, so a secret from a file must
/// not be guessable.
const MIN_SECRET_LENGTH: usize = 16;

/// The help on the options of a registration.
const OPTIONS: &str = "Each use of a repeatable option adds a value to its list. An option with [=<BOOL>] means true \
                       without a value.";

/// The help on the same options when they change a registration.
const CHANGES: &str = "Options that are not given keep their value; the defaults apply to new clients only. Each use \
                       of a repeatable option adds a value to the new list, and an empty value clears the list, as \
                       in --role \"\". An option with [=<BOOL>] means true without a value.";

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Register a client and print its secret, only once
    #[command(after_help = OPTIONS)]
    Add {
        /// Client ID
        #[arg(value_name = "CLIENT")]
        id: String,
        #[command(flatten)]
        options: ClientOptions,
        /// Read the secret from this file: one line of at least 16 characters [default: a generated secret]
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Print every client, one JSON object per line
    List,
    /// Print a client
    Show {
        /// Client ID
        #[arg(value_name = "CLIENT")]
        id: String,
    },
    /// Change the given options of a client; lists are replaced
    #[command(after_help = CHANGES)]
    Set {
        /// Client ID
        #[arg(value_name = "CLIENT")]
        id: String,
        #[command(flatten)]
        options: ClientOptions,
    },
    /// Block a client and revoke its tokens
    #[command(
        after_help = "Every login of the client, every SAML login for it and every renewal is rejected until \
        `authme client enable`."
    )]
    Disable {
        /// Client ID
        #[arg(value_name = "CLIENT")]
        id: String,
    },
    /// Unblock a client. Its revoked tokens stay revoked
    Enable {
        /// Client ID
        #[arg(value_name = "CLIENT")]
        id: String,
    },
    /// Remove a client for good and revoke its tokens
    Remove {
        /// Client ID
        #[arg(value_name = "CLIENT")]
        id: String,
    },
    /// Revoke every access token of a client. It may log in again
    RevokeTokens {
        /// Client ID
        #[arg(value_name = "CLIENT")]
        id: String,
    },
    /// Replace the secret of a client and print the new one, only once
    #[command(
        after_help = "Without --keep-old-for, the old secret stops working immediately, and the tokens of the client \
        are revoked."
    )]
    RotateSecret {
        /// Client ID
        #[arg(value_name = "CLIENT")]
        id: String,
        /// How long the old secret still works, such as 24h
        #[arg(long, value_name = "TIME", value_parser = parse_lifetime)]
        keep_old_for: Option<Duration>,
    },
}

impl ClientCommand {
    const fn access(&self) -> Access {
        match self {
            Self::List | Self::Show { .. } => Access::Read,
            _ => Access::Write,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretLine<'a> {
    client_id: &'a str,
    client_secret: &'a str,
}

fn read_secret(file: &Path) -> Result<String, CommandError> {
    let text = fs::read_to_string(file).map_err(CommandError::context("the secret file cannot be read"))?;
    let secret = text.trim_end_matches(['\r', '\n']).to_owned();
    if secret.chars().count() < MIN_SECRET_LENGTH || secret.contains(char::is_control) {
        return Err(CommandError::msg(format!(
            "a secret must be one line of at least {MIN_SECRET_LENGTH} characters"
        )));
    }
    Ok(secret)
}

fn new_secret() -> String {
    domain::hex::encode(&SystemRandomness.secret())
}

async fn require_client(clients: &dyn Clients, id: String) -> Result<Client, CommandError> {
    let id = parse_client_id(id)?;
    let client = clients.find(&id).await?.filter(|client| !client.is_removed);
    client.ok_or_else(|| {
        CommandError::msg(format!(
            "there is no client `{id}`: `authme client list` prints all clients"
        ))
    })
}

fn check_saved(outcome: ClientSaveOutcome) -> Result<(), CommandError> {
    match outcome {
        ClientSaveOutcome::Saved => Ok(()),
        ClientSaveOutcome::NameTaken(name) => Err(CommandError::msg(format!(
            "the name `{name}` is taken: choose another, or change that client with `authme client set`"
        ))),
    }
}

pub(crate) async fn run(target: &CommandTarget, command: ClientCommand) -> Result<ExitCode, CommandError> {
    let stores = target.stores(command.access()).await?;
    let registry = Registry::new(&stores);
    let clients = stores.clients;
    match command {
        ClientCommand::Add {
            id,
            options,
            secret_file,
        } => {
            let mut client = Client::new(parse_client_id(id)?);
            options.apply(&mut client)?;
            registry.check(&Additions::of_client(None, &client)).await?;
            let secret = secret_file.as_deref().map_or_else(|| Ok(new_secret()), read_secret)?;
            client.secrets = vec![Sha256.digest(&secret)];
            register(&*clients, client.clone()).await?;
            print(&SecretLine {
                client_id: client.id.as_str(),
                client_secret: &secret,
            })?;
        }
        ClientCommand::List => list(&*clients).await?,
        ClientCommand::Show { id } => print(&ClientLine::from(require_client(&*clients, id).await?))?,
        ClientCommand::Set { id, options } => {
            let before = require_client(&*clients, id).await?;
            let mut client = before.clone();
            options.apply(&mut client)?;
            registry.check(&Additions::of_client(Some(&before), &client)).await?;
            check_saved(clients.replace(&client).await?)?;
            print(&ClientLine::from(client))?;
        }
        ClientCommand::Disable { id } => change(&*clients, id, Client::disable).await?,
        ClientCommand::Enable { id } => change(&*clients, id, |client| client.is_enabled = true).await?,
        ClientCommand::RevokeTokens { id } => change(&*clients, id, Client::revoke_tokens).await?,
        ClientCommand::Remove { id } => {
            let client = require_client(&*clients, id).await?;
            check_saved(clients.replace(&client.into_removed()).await?)?;
        }
        ClientCommand::RotateSecret { id, keep_old_for } => {
            let mut client = require_client(&*clients, id).await?;
            let (secret, now) = (new_secret(), SystemClock.now());
            client.replace_secret(
                Sha256.digest(&secret),
                now,
                keep_old_for.map(|time| time::after(now, time)),
            );
            check_saved(clients.replace(&client).await?)?;
            print(&SecretLine {
                client_id: client.id.as_str(),
                client_secret: &secret,
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Registers a client. If its id belonged to a removed client, the new client takes over the epoch of the removed one.
/// Otherwise the tokens of the removed client would become active again.
async fn register(clients: &dyn Clients, client: Client) -> Result<(), CommandError> {
    let before = clients.find(&client.id).await?.filter(|before| before.is_removed);
    match before {
        Some(before) => {
            let epoch = before.epoch;
            check_saved(clients.replace(&Client { epoch, ..client }).await?)
        }
        None => check_saved(clients.create(&client).await?),
    }
}

async fn change(clients: &dyn Clients, id: String, change: impl FnOnce(&mut Client)) -> Result<(), CommandError> {
    let mut client = require_client(clients, id).await?;
    change(&mut client);
    check_saved(clients.replace(&client).await?)?;
    print(&ClientLine::from(client))
}

async fn list(clients: &dyn Clients) -> Result<(), CommandError> {
    let mut after: Option<ClientId> = None;
    loop {
        let page = clients.page(after.as_ref(), PAGE_SIZE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
        for client in page.into_iter().filter(|client| !client.is_removed) {
            print(&ClientLine::from(client))?;
        }
    }
}
