//! Client applications, registered by the operator.

use std::time::Duration;

use crate::factors::Visibility;
use crate::ids::ClientId;
use crate::time::Timestamp;

/// A salted digest of a client secret; the secret itself is shown once and never kept.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecretDigest {
    pub salt: [u8; 16],
    pub digest: [u8; 32],
    /// A replaced secret works until then; the current one has no end.
    pub valid_until: Option<Timestamp>,
}

impl std::fmt::Debug for ClientSecretDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSecretDigest")
            .field("valid_until", &self.valid_until)
            .finish_non_exhaustive()
    }
}

/// A client application and what it is set up for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own that the operator sets by name"
)]
pub struct Client {
    pub id: ClientId,
    /// Newest first.
    pub secrets: Vec<ClientSecretDigest>,
    pub enabled: bool,
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
    /// May be the target of a SAML hand-off.
    pub saml: bool,
    /// May renew by user id after a login at an external identity provider.
    pub identity_provider: bool,
    /// A hand-off of an unknown e-mail makes the user.
    pub create_users: bool,
    /// A hand-off that names an unknown group is refused.
    pub require_known_groups: bool,
    /// Other names under which an identity provider knows this client.
    pub aliases: Vec<ClientId>,
    pub visibility: Visibility,
    /// The texts of the codes its users are sent, by name, where they differ from the setting.
    pub texts: Option<String>,
    /// Life of its access tokens where it differs from the setting.
    pub access_token_lifetime: Option<Duration>,
}

impl Client {
    /// A client with nothing set up but its id.
    pub fn new(id: ClientId) -> Self {
        Self {
            id,
            secrets: Vec::new(),
            enabled: true,
            roles: Vec::new(),
            scopes: Vec::new(),
            saml: false,
            identity_provider: false,
            create_users: false,
            require_known_groups: false,
            aliases: Vec::new(),
            visibility: Visibility::default(),
            texts: None,
            access_token_lifetime: None,
        }
    }

    /// Whether `name` is the client's id or one of its aliases.
    pub fn is_known_as(&self, name: &ClientId) -> bool {
        self.id == *name || self.aliases.contains(name)
    }

    /// The digests a secret may match at `now`.
    pub fn secrets_at(&self, now: Timestamp) -> impl Iterator<Item = &ClientSecretDigest> {
        self.secrets
            .iter()
            .filter(move |secret| secret.valid_until.is_none_or(|until| now < until))
    }

    /// Puts a new secret in front; those before it end at `keep_until`, or at once.
    pub fn replace_secret(&mut self, digest: ClientSecretDigest, now: Timestamp, keep_until: Option<Timestamp>) {
        self.secrets
            .retain(|old| old.valid_until.is_none_or(|until| now < until));
        match keep_until {
            None => self.secrets.clear(),
            Some(until) => {
                for old in &mut self.secrets {
                    old.valid_until = Some(old.valid_until.map_or(until, |already| already.min(until)));
                }
            }
        }
        self.secrets.insert(0, digest);
    }
}
