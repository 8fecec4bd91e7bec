use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use adapter_crypto::{Sha256, SystemRandomness};
use clap::{Args, Subcommand};
use domain::client::{Client, ExpiresIn};
use domain::factors::Visibility;
use domain::ids::ClientId;
use domain::registration::Additions;
use domain::time::{self, Timestamp};
use jiff::SignedDuration;
use ports::tokens::ClientSecrets as _;
use ports::{ClientSaveOutcome, Clients, Clock as _, Randomness as _};
use serde::Serialize;
use service_runtime::SystemClock;

use super::registry::Registry;
use super::{CommandTarget, PAGE_SIZE, print, without_empty};
use crate::CommandError;
use crate::serve::operator_settings;

/// In characters. Secrets are stored as SHA-256, a fast hash, so a secret from a file must not be guessable.
const MIN_SECRET_LENGTH: usize = 16;

/// The help on the options of a registration.
const OPTIONS: &str = "Each use of a repeatable option adds a value to its list. An option with [=<BOOL>] means true \
                       without a value.";

/// The help on the same options where they change a registration.
const CHANGES: &str = "Options that are not given keep their value; the defaults are those of a new client. Each use \
                       of a repeatable option adds a value to the new list, and an empty value clears the list, as \
                       in --role \"\". An option with [=<BOOL>] means true without a value.";

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Register a client and print its secret, this once
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
    /// Revoke every access token of a client, which may log in again
    RevokeTokens {
        /// Client ID
        #[arg(value_name = "CLIENT")]
        id: String,
    },
    /// Replace the secret of a client and print the new one, this once
    #[command(
        after_help = "Without --keep-old-for, the old secret stops working at once, and the tokens of the client \
        are revoked."
    )]
    RotateSecret {
        /// Client ID
        #[arg(value_name = "CLIENT")]
        id: String,
        /// How long the old secret still works, such as 24h
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        keep_old_for: Option<Duration>,
    },
}

const RIGHTS: &str = "Rights";
const SAML: &str = "SAML logins";
const IDENTITY_PROVIDER: &str = "Identity provider";
const RESPONSES: &str = "Tokens and messages";

/// The registration of a client.
#[derive(Debug, Args)]
pub(crate) struct ClientOptions {
    /// Role of the client (repeatable)
    #[arg(long = "role", value_name = "ROLE", help_heading = RIGHTS)]
    roles: Option<Vec<String>>,
    /// Scope of the client (repeatable)
    #[arg(long = "scope", value_name = "SCOPE", help_heading = RIGHTS)]
    scopes: Option<Vec<String>>,
    /// Allow administrator roles in the tokens of its users [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = RIGHTS)]
    administration: Option<bool>,
    /// Contacts that the client may read: `CREDENTIALS_ONLY`, `MARKED_RESOURCES` or `UNRESTRICTED` [default:
    /// `CREDENTIALS_ONLY`]
    #[arg(long, value_name = "CONTACTS", value_parser = visibility, help_heading = RIGHTS)]
    factor_visibility: Option<Visibility>,
    /// Accept SAML logins for this client [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = SAML)]
    saml: Option<bool>,
    /// Create the user when a SAML login for this client has an unknown e-mail address [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = SAML)]
    create_users: Option<bool>,
    /// Reject a SAML login for this client that names an unknown group [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = SAML)]
    require_known_groups: Option<bool>,
    /// Group that the client may assert in a SAML login (repeatable); `*` for every group without an administrator role
    #[arg(long = "may-assert", value_name = "GROUP", help_heading = SAML)]
    may_assert: Option<Vec<String>>,
    /// Accept renewals by user ID after a login at an identity provider [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = IDENTITY_PROVIDER)]
    identity_provider: Option<bool>,
    /// Further name of the client at an identity provider (repeatable)
    #[arg(long = "alias", value_name = "NAME", help_heading = IDENTITY_PROVIDER)]
    aliases: Option<Vec<String>>,
    /// Lifetime of its access tokens, such as 5m [default: the setting `tokens.access_token_lifetime`]
    #[arg(long, value_name = "TIME", value_parser = lifetime, help_heading = RESPONSES)]
    access_token_lifetime: Option<Duration>,
    /// Form of `expiresIn` in responses: `absolute` or `seconds` [default: the form of each operation, also with an empty
    /// value]
    #[arg(long, value_name = "FORM", value_parser = expires_in, help_heading = RESPONSES)]
    expires_in: Option<Form>,
    /// Message templates for codes to its users: `pt`, `en`, or a name from `delivery.texts_directory` [default: the
    /// setting `delivery.texts`, also with an empty value]
    #[arg(long, value_name = "NAME", help_heading = RESPONSES)]
    texts: Option<String>,
}

/// A form of `expiresIn`, or `None` for the form of each operation.
#[derive(Debug, Clone, Copy)]
struct Form(Option<ExpiresIn>);

fn expires_in(text: &str) -> Result<Form, String> {
    if text.is_empty() {
        return Ok(Form(None));
    }
    let form = ExpiresIn::parse(text).ok_or_else(|| "expected absolute or seconds".to_owned())?;
    Ok(Form(Some(form)))
}

fn visibility(text: &str) -> Result<Visibility, String> {
    let names = Visibility::ALL.map(Visibility::as_str).join(", ");
    Visibility::parse(text).ok_or_else(|| format!("expected one of {names}"))
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let parsed = text
        .parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok());
    parsed
        .filter(|lifetime| *lifetime >= Duration::from_secs(1))
        .ok_or_else(|| "expected a time of at least a second, like 5m".to_owned())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretLine<'a> {
    client_id: &'a str,
    client_secret: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the printed form of the client's switches")]
pub(super) struct ClientLine {
    client_id: String,
    enabled: bool,
    roles: Vec<String>,
    scopes: Vec<String>,
    saml: bool,
    identity_provider: bool,
    create_users: bool,
    require_known_groups: bool,
    aliases: Vec<String>,
    factor_visibility: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    texts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token_lifetime: Option<String>,
    administration: bool,
    may_assert: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<&'static str>,
    /// The valid secrets, without their values. The current one has no end.
    secrets: Vec<SecretState>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretState {
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<Timestamp>,
}

impl From<Client> for ClientLine {
    fn from(client: Client) -> Self {
        let lifetime = client
            .access_token_lifetime
            .and_then(|lifetime| SignedDuration::try_from(lifetime).ok());
        let secrets = client.secrets_at(SystemClock.now()).map(|secret| SecretState {
            valid_until: secret.valid_until,
        });
        Self {
            secrets: secrets.collect(),
            client_id: client.id.to_string(),
            enabled: client.is_enabled,
            roles: client.roles,
            scopes: client.scopes,
            saml: client.accepts_saml,
            identity_provider: client.is_identity_provider,
            create_users: client.creates_users,
            require_known_groups: client.requires_known_groups,
            aliases: client.aliases.iter().map(ToString::to_string).collect(),
            factor_visibility: client.visibility.as_str(),
            texts: client.texts,
            access_token_lifetime: lifetime.map(|lifetime| format!("{lifetime:#}")),
            administration: client.allows_administration,
            may_assert: client.may_assert,
            expires_in: client.expires_in.map(ExpiresIn::as_str),
        }
    }
}

impl ClientOptions {
    fn apply(self, client: &mut Client) -> Result<(), CommandError> {
        let longest = operator_settings()?.tokens.longest_access_token_lifetime;
        if self.access_token_lifetime.is_some_and(|lifetime| lifetime > longest) {
            return Err(CommandError::msg(format!(
                "an access token lives at most {:#} (tokens.longest_access_token_lifetime)",
                SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX)
            )));
        }
        let aliases = self.aliases.map(|aliases| {
            without_empty(aliases)
                .into_iter()
                .map(client_id)
                .collect::<Result<_, _>>()
        });
        replace(&mut client.roles, self.roles.map(without_empty));
        replace(&mut client.scopes, self.scopes.map(without_empty));
        replace(&mut client.accepts_saml, self.saml);
        replace(&mut client.is_identity_provider, self.identity_provider);
        replace(&mut client.creates_users, self.create_users);
        replace(&mut client.requires_known_groups, self.require_known_groups);
        replace(&mut client.aliases, aliases.transpose()?);
        replace(&mut client.visibility, self.factor_visibility);
        replace(
            &mut client.texts,
            self.texts.map(|name| (!name.is_empty()).then_some(name)),
        );
        client.access_token_lifetime = self.access_token_lifetime.or(client.access_token_lifetime);
        replace(&mut client.allows_administration, self.administration);
        replace(&mut client.may_assert, self.may_assert.map(without_empty));
        replace(&mut client.expires_in, self.expires_in.map(|Form(form)| form));
        Ok(())
    }
}

fn replace<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}

fn client_id(text: String) -> Result<ClientId, CommandError> {
    ClientId::parse(text).map_err(|malformed| CommandError::msg(malformed.to_string()))
}

fn secret_from(file: &Path) -> Result<String, CommandError> {
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

async fn find(clients: &dyn Clients, id: String) -> Result<Client, CommandError> {
    let id = client_id(id)?;
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
    let stores = target.stores().await?;
    let registry = Registry::new(&stores);
    let clients = stores.clients;
    match command {
        ClientCommand::Add {
            id,
            options,
            secret_file,
        } => {
            let mut client = Client::new(client_id(id)?);
            options.apply(&mut client)?;
            registry.check(&Additions::of_client(None, &client)).await?;
            let secret = secret_file.as_deref().map_or_else(|| Ok(new_secret()), secret_from)?;
            client.secrets = vec![Sha256.digest(&secret)];
            register(&*clients, client.clone()).await?;
            print(&SecretLine {
                client_id: client.id.as_str(),
                client_secret: &secret,
            })?;
        }
        ClientCommand::List => list(&*clients).await?,
        ClientCommand::Show { id } => print(&ClientLine::from(find(&*clients, id).await?))?,
        ClientCommand::Set { id, options } => {
            let before = find(&*clients, id).await?;
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
            let client = find(&*clients, id).await?;
            check_saved(clients.replace(&client.into_removed()).await?)?;
        }
        ClientCommand::RotateSecret { id, keep_old_for } => {
            let mut client = find(&*clients, id).await?;
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

/// Registers a client. If its id belonged to a removed client, it continues the epoch of that one. Otherwise tokens of
/// the removed client would be active again.
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
    let mut client = find(clients, id).await?;
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
