use std::time::Duration;

use domain::client::{Client, ClientSecretDigest, ExpiresIn, Visibility};
use domain::ids::ClientId;
use serde::{Deserialize, Serialize};

use crate::{Corrupt, Encoding};

/// A stored client, without its id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the stored form has a member per switch of a client"
)]
pub struct ClientForm<E: Encoding> {
    secrets: Vec<SecretForm<E>>,
    enabled: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
    #[serde(default)]
    epoch: u64,
    roles: Vec<String>,
    scopes: Vec<String>,
    saml: bool,
    identity_provider: bool,
    create_users: bool,
    require_known_groups: bool,
    aliases: Vec<String>,
    visibility: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    texts: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_token_lifetime_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    administration: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    may_assert: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_in: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
struct SecretForm<E: Encoding> {
    salt: E::Bytes,
    digest: E::Bytes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_until: Option<E::Time>,
}

impl<E: Encoding> SecretForm<E> {
    fn of(secret: &ClientSecretDigest) -> Self {
        Self {
            salt: E::bytes(&secret.salt),
            digest: E::bytes(&secret.digest),
            valid_until: secret.valid_until.map(E::time),
        }
    }

    fn read(self) -> Result<ClientSecretDigest, Corrupt> {
        Ok(ClientSecretDigest {
            salt: E::read_bytes(&self.salt)?,
            digest: E::read_bytes(&self.digest)?,
            valid_until: self.valid_until.as_ref().map(E::read_time).transpose()?,
        })
    }
}

impl<E: Encoding> From<&Client> for ClientForm<E> {
    fn from(client: &Client) -> Self {
        Self {
            secrets: client.secrets.iter().map(SecretForm::of).collect(),
            enabled: client.is_enabled,
            removed: client.is_removed,
            epoch: client.epoch,
            roles: client.roles.clone(),
            scopes: client.scopes.clone(),
            saml: client.accepts_saml,
            identity_provider: client.is_identity_provider,
            create_users: client.creates_users,
            require_known_groups: client.requires_known_groups,
            aliases: client.aliases.iter().map(ToString::to_string).collect(),
            visibility: client.visibility.as_str().to_owned(),
            texts: client.message_templates.clone(),
            access_token_lifetime_seconds: client.access_token_lifetime.map(|lifetime| lifetime.as_secs()),
            administration: client.allows_administration,
            may_assert: client.assertable_groups.clone(),
            expires_in: client.expires_in.map(|form| form.as_str().to_owned()),
        }
    }
}

impl<E: Encoding> ClientForm<E> {
    /// Returns the client with this id.
    ///
    /// # Errors
    ///
    /// Returns [`Corrupt`] for a malformed id, secret, alias or choice.
    pub fn read(self, id: &str) -> Result<Client, Corrupt> {
        let expires_in = |form: String| ExpiresIn::parse(&form).ok_or_else(|| Corrupt::member("expiresIn"));
        Ok(Client {
            id: ClientId::parse(id)?,
            secrets: self
                .secrets
                .into_iter()
                .map(SecretForm::read)
                .collect::<Result<_, _>>()?,
            is_enabled: self.enabled,
            is_removed: self.removed,
            epoch: self.epoch,
            roles: self.roles,
            scopes: self.scopes,
            accepts_saml: self.saml,
            is_identity_provider: self.identity_provider,
            creates_users: self.create_users,
            requires_known_groups: self.require_known_groups,
            aliases: self
                .aliases
                .into_iter()
                .map(ClientId::parse)
                .collect::<Result<_, _>>()?,
            visibility: Visibility::parse(&self.visibility).ok_or_else(|| Corrupt::member("visibility"))?,
            message_templates: self.texts,
            access_token_lifetime: self.access_token_lifetime_seconds.map(Duration::from_secs),
            allows_administration: self.administration,
            assertable_groups: self.may_assert,
            expires_in: self.expires_in.map(expires_in).transpose()?,
        })
    }
}
