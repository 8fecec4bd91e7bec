//! The options that register or change a client.

use std::time::Duration;

use clap::Args;
use domain::client::{Client, ExpiresIn, Visibility};
use domain::ids::ClientId;
use jiff::SignedDuration;

use super::without_empty;
use crate::CommandError;
use crate::settings::longest_access_token_lifetime;

const PERMISSIONS: &str = "Permissions";
const SAML: &str = "SAML logins";
const IDENTITY_PROVIDER: &str = "Identity provider";
const RESPONSES: &str = "Tokens and messages";

/// The registration of a client.
#[derive(Debug, Args)]
pub(crate) struct ClientOptions {
    /// Role of the client (repeatable)
    #[arg(long = "role", value_name = "ROLE", help_heading = PERMISSIONS)]
    roles: Option<Vec<String>>,
    /// Scope of the client (repeatable)
    #[arg(long = "scope", value_name = "SCOPE", help_heading = PERMISSIONS)]
    scopes: Option<Vec<String>>,
    /// Allow administrator roles in the tokens of its users [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = PERMISSIONS)]
    administration: Option<bool>,
    /// Contacts that the client may read: `CREDENTIALS_ONLY`, `MARKED_RESOURCES` or `UNRESTRICTED` [default:
    /// `CREDENTIALS_ONLY`]
    #[arg(long, value_name = "CONTACTS", value_parser = parse_visibility, help_heading = PERMISSIONS)]
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
    /// Additional name of the client at an identity provider (repeatable)
    #[arg(long = "alias", value_name = "NAME", help_heading = IDENTITY_PROVIDER)]
    aliases: Option<Vec<String>>,
    /// Lifetime of its access tokens, such as 5m [default: the setting `tokens.access_token_lifetime`]
    #[arg(long, value_name = "TIME", value_parser = parse_lifetime, help_heading = RESPONSES)]
    access_token_lifetime: Option<Duration>,
    /// Form of `expiresIn` in responses: `absolute` or `seconds` [default: the form of each operation; an empty value
    /// restores it]
    #[arg(long, value_name = "FORM", value_parser = parse_expires_in, help_heading = RESPONSES)]
    expires_in: Option<ExpiresInForm>,
    /// Message templates for codes to its users: `pt`, `en`, or a name from `delivery.texts_directory` [default: the
    /// setting `delivery.texts`; an empty value restores it]
    #[arg(long, value_name = "NAME", help_heading = RESPONSES)]
    texts: Option<String>,
}

/// A form of `expiresIn`, or `None` for the form of each operation.
#[derive(Debug, Clone, Copy)]
struct ExpiresInForm(Option<ExpiresIn>);

fn parse_expires_in(text: &str) -> Result<ExpiresInForm, String> {
    if text.is_empty() {
        return Ok(ExpiresInForm(None));
    }
    let form = ExpiresIn::parse(text).ok_or_else(|| "expected absolute or seconds".to_owned())?;
    Ok(ExpiresInForm(Some(form)))
}

fn parse_visibility(text: &str) -> Result<Visibility, String> {
    let names = Visibility::ALL.map(Visibility::as_str).join(", ");
    Visibility::parse(text).ok_or_else(|| format!("expected one of {names}"))
}

pub(super) fn parse_client_id(text: String) -> Result<ClientId, CommandError> {
    ClientId::parse(text).map_err(|malformed| CommandError::msg(malformed.to_string()))
}

pub(super) fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let parsed = text
        .parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok());
    parsed
        .filter(|lifetime| *lifetime >= Duration::from_secs(1))
        .ok_or_else(|| "expected a time of at least one second, such as 5m".to_owned())
}

impl ClientOptions {
    pub(super) fn apply(self, client: &mut Client) -> Result<(), CommandError> {
        let longest = longest_access_token_lifetime()?;
        if self.access_token_lifetime.is_some_and(|lifetime| lifetime > longest) {
            return Err(CommandError::msg(format!(
                "the lifetime of an access token is at most {:#} (tokens.longest_access_token_lifetime)",
                SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX)
            )));
        }
        let aliases = self.aliases.map(|aliases| {
            without_empty(aliases)
                .into_iter()
                .map(parse_client_id)
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
            &mut client.message_templates,
            self.texts.map(|name| (!name.is_empty()).then_some(name)),
        );
        client.access_token_lifetime = self.access_token_lifetime.or(client.access_token_lifetime);
        replace(&mut client.allows_administration, self.administration);
        replace(&mut client.assertable_groups, self.may_assert.map(without_empty));
        replace(&mut client.expires_in, self.expires_in.map(|ExpiresInForm(form)| form));
        Ok(())
    }
}

fn replace<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}
