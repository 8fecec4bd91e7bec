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
use super::{CommandTarget, PAGE, print, without_empty};
use crate::CommandError;
use crate::serve::for_operator;

/// A secret from a file must be hard to guess: it is kept by a fast hash.
const SHORTEST_SECRET: usize = 16;

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Register a client; its secret is shown this once
    Add {
        id: String,
        #[command(flatten)]
        options: ClientOptions,
        /// Read the secret from this file instead of making one
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Print every client
    List,
    /// Print a client
    Show { id: String },
    /// Change a client; what is not given stays, lists are replaced
    Set {
        id: String,
        #[command(flatten)]
        options: ClientOptions,
    },
    /// Refuse every login, hand-off and renewal of a client; its tokens die at once
    Disable { id: String },
    /// Let a client work again
    Enable { id: String },
    /// Remove a client for good; its tokens die at once
    Remove { id: String },
    /// End every access token of a client; it logs in again for new ones
    RevokeTokens { id: String },
    /// Make a new secret, shown this once; without an overlap the client's tokens die with the old one
    RotateSecret {
        id: String,
        /// How long the secret before it works on, like 24h
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        keep_old_for: Option<Duration>,
    },
}

/// What a client is set up for.
#[derive(Debug, Args)]
pub(crate) struct ClientOptions {
    /// A role of the client
    #[arg(long = "role", value_name = "ROLE")]
    roles: Option<Vec<String>>,
    /// A scope of the client
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Option<Vec<String>>,
    /// May be the target of a SAML hand-off
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    saml: Option<bool>,
    /// May renew by user id after a login at an identity provider
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    identity_provider: Option<bool>,
    /// A hand-off of an unknown e-mail makes the user
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    create_users: Option<bool>,
    /// A hand-off that names an unknown group is refused
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    require_known_groups: Option<bool>,
    /// Another name an identity provider knows it by
    #[arg(long = "alias", value_name = "NAME")]
    aliases: Option<Vec<String>>,
    /// Which contacts it is shown: `CREDENTIALS_ONLY`, `MARKED_RESOURCES` or `UNRESTRICTED`
    #[arg(long, value_name = "V", value_parser = visibility)]
    factor_visibility: Option<Visibility>,
    /// Texts of the codes its users are sent: `pt`, `en`, or a name that the settings add; empty for the default ones
    #[arg(long, value_name = "NAME")]
    texts: Option<String>,
    /// Life of its access tokens, like 5m
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    access_token_lifetime: Option<Duration>,
    /// Its users' tokens may carry administrator roles
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    administration: Option<bool>,
    /// A group it may assert in a hand-off; `*` for all that give no administrator role
    #[arg(long = "may-assert", value_name = "GROUP|*")]
    may_assert: Option<Vec<String>>,
    /// How every answer tells when its token ends: `absolute` or `seconds`; empty for what each operation says by itself
    #[arg(long, value_name = "FORM", value_parser = expires_in)]
    expires_in: Option<Form>,
}

/// A form of `expiresIn`, or none.
#[derive(Debug, Clone, Copy)]
struct Form(Option<ExpiresIn>);

fn expires_in(text: &str) -> Result<Form, String> {
    if text.is_empty() {
        return Ok(Form(None));
    }
    let form = ExpiresIn::parse(text).ok_or_else(|| "absolute or seconds is expected".to_owned())?;
    Ok(Form(Some(form)))
}

fn visibility(text: &str) -> Result<Visibility, String> {
    let names = Visibility::ALL.map(Visibility::as_str).join(", ");
    Visibility::parse(text).ok_or_else(|| format!("one of {names} is expected"))
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let parsed = text
        .parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok());
    parsed
        .filter(|lifetime| *lifetime >= Duration::from_secs(1))
        .ok_or_else(|| "a time of at least a second is expected, like 5m".to_owned())
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
    /// How many secrets work, and until when; the current one has no end.
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
        let longest = for_operator()?.tokens.longest_access_token_lifetime;
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
    if secret.chars().count() < SHORTEST_SECRET || secret.contains(char::is_control) {
        return Err(CommandError::msg(format!(
            "a secret is one line of at least {SHORTEST_SECRET} characters"
        )));
    }
    Ok(secret)
}

fn new_secret() -> String {
    domain::hex::encode(&SystemRandomness.secret())
}

async fn find(clients: &dyn Clients, id: String) -> Result<Client, CommandError> {
    let id = client_id(id)?;
    let found = clients.find(&id).await?.filter(|client| !client.is_removed);
    found.ok_or_else(|| {
        CommandError::msg(format!(
            "there is no client `{id}`: `authme client list` shows those there are"
        ))
    })
}

fn saved(saving: ClientSaveOutcome) -> Result<(), CommandError> {
    match saving {
        ClientSaveOutcome::Saved => Ok(()),
        ClientSaveOutcome::NameTaken(name) => Err(CommandError::msg(format!(
            "the name `{name}` is taken: choose another, or change that client with `authme client set`"
        ))),
    }
}

pub(crate) async fn run(place: &CommandTarget, command: ClientCommand) -> Result<ExitCode, CommandError> {
    let stores = place.stores().await?;
    let registry = Registry::of(&stores);
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
            saved(clients.replace(&client).await?)?;
            print(&ClientLine::from(client))?;
        }
        ClientCommand::Disable { id } => change(&*clients, id, Client::disable).await?,
        ClientCommand::Enable { id } => change(&*clients, id, |client| client.is_enabled = true).await?,
        ClientCommand::RevokeTokens { id } => change(&*clients, id, Client::revoke_tokens).await?,
        ClientCommand::Remove { id } => {
            let client = find(&*clients, id).await?;
            saved(clients.replace(&client.into_removed()).await?)?;
        }
        ClientCommand::RotateSecret { id, keep_old_for } => {
            let mut client = find(&*clients, id).await?;
            let (secret, now) = (new_secret(), SystemClock.now());
            client.replace_secret(
                Sha256.digest(&secret),
                now,
                keep_old_for.map(|time| time::after(now, time)),
            );
            saved(clients.replace(&client).await?)?;
            print(&SecretLine {
                client_id: client.id.as_str(),
                client_secret: &secret,
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Registers a client. Under the id of one that was removed it continues the epoch, so that it takes over no token.
async fn register(clients: &dyn Clients, client: Client) -> Result<(), CommandError> {
    let before = clients.find(&client.id).await?.filter(|before| before.is_removed);
    match before {
        Some(before) => {
            let epoch = before.epoch;
            saved(clients.replace(&Client { epoch, ..client }).await?)
        }
        None => saved(clients.create(&client).await?),
    }
}

async fn change(clients: &dyn Clients, id: String, change: impl FnOnce(&mut Client)) -> Result<(), CommandError> {
    let mut client = find(clients, id).await?;
    change(&mut client);
    saved(clients.replace(&client).await?)?;
    print(&ClientLine::from(client))
}

async fn list(clients: &dyn Clients) -> Result<(), CommandError> {
    let mut after: Option<ClientId> = None;
    loop {
        let page = clients.page(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
        for client in page.into_iter().filter(|client| !client.is_removed) {
            print(&ClientLine::from(client))?;
        }
    }
}
