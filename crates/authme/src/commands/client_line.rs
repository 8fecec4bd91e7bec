use domain::client::{Client, ExpiresIn};
use domain::time::Timestamp;
use jiff::SignedDuration;
use ports::Clock as _;
use serde::Serialize;
use service_runtime::SystemClock;

/// A client as a line of JSON: the output of `client list` and `client show`.
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
    /// The valid secrets, without their values. The current one has no `validUntil`.
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
            texts: client.message_templates,
            access_token_lifetime: lifetime.map(|lifetime| format!("{lifetime:#}")),
            administration: client.allows_administration,
            may_assert: client.assertable_groups,
            expires_in: client.expires_in.map(ExpiresIn::as_str),
        }
    }
}
