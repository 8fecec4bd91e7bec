//! Client applications (RFC 6749 section 2), registered by the operator.

use std::time::Duration;

use crate::ids::ClientId;
use crate::time::Timestamp;

/// A salted digest of a client secret. The secret itself is never stored; a generated one is shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecretDigest {
    /// 128 random bits, generated for this digest.
    pub salt: [u8; 16],
    /// The SHA-256 of salt and secret.
    pub digest: [u8; 32],
    /// The first instant at which a replaced secret is rejected; `None` for the current one.
    pub valid_until: Option<Timestamp>,
}

impl std::fmt::Debug for ClientSecretDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSecretDigest")
            .field("valid_until", &self.valid_until)
            .finish_non_exhaustive()
    }
}

/// The contacts of a user that a client sees (`AuthenticationFactorSettings` of the documented API). Operations answer
/// 404 for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// Credential contacts only.
    #[default]
    CredentialsOnly,
    /// Alternative contacts tagged `MARKED_RESOURCES` only.
    MarkedResources,
    /// Every contact.
    Unrestricted,
}

impl Visibility {
    /// All values, from the narrowest to the widest.
    pub const ALL: [Self; 3] = [Self::CredentialsOnly, Self::MarkedResources, Self::Unrestricted];

    /// Returns the name in the documented API, which the command line and the store use as well.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialsOnly => "CREDENTIALS_ONLY",
            Self::MarkedResources => "MARKED_RESOURCES",
            Self::Unrestricted => "UNRESTRICTED",
        }
    }

    /// Parses the name that [`as_str`](Self::as_str) returns; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|visibility| visibility.as_str() == text)
    }

    /// Returns whether the client sees any alternative contacts. If it sees none, its users cannot add contacts through
    /// it either (412, code 22), because they could not verify them there.
    pub const fn shows_alternatives(self) -> bool {
        match self {
            Self::CredentialsOnly => false,
            Self::MarkedResources | Self::Unrestricted => true,
        }
    }
}

/// The form of the member `expiresIn` in token responses. The documented API uses both forms, depending on the
/// operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiresIn {
    /// The time of expiry in Unix seconds, like the claim `exp`.
    Absolute,
    /// The remaining lifetime in seconds (RFC 6749 section 5.1).
    Remaining,
}

impl ExpiresIn {
    /// Both forms, in the order in which help texts list them.
    pub const ALL: [Self; 2] = [Self::Absolute, Self::Remaining];

    /// Parses the name that the command line and the store use; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == text)
    }

    /// Returns the name that the command line and the store use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Remaining => "seconds",
        }
    }
}

/// A client application and its registration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own that the operator sets by name"
)]
pub struct Client {
    /// The `client_id`, compared exactly.
    pub id: ClientId,
    /// Newest first.
    pub secrets: Vec<ClientSecretDigest>,
    /// A disabled client is refused every login, SAML login and renewal.
    pub is_enabled: bool,
    /// A removed client keeps its record. A client registered again under the id continues its epoch, so no access
    /// token of the removed one becomes valid again. Sessions of its users that have not expired can then be renewed
    /// again.
    pub is_removed: bool,
    /// Raised to revoke all access tokens of the client. Each token carries the epoch that it was issued under.
    pub epoch: u64,
    /// Roles in every token that is issued to the client, including those for its users.
    pub roles: Vec<String>,
    /// Scopes in every token that is issued to the client.
    pub scopes: Vec<String>,
    /// The client may be the target of a SAML login.
    pub accepts_saml: bool,
    /// The client may renew by user id after a login at an external identity provider.
    pub is_identity_provider: bool,
    /// A SAML login to the client with an unknown e-mail address creates the user.
    pub creates_users: bool,
    /// A SAML login to the client that names an unknown group is rejected. Otherwise only the group is left out.
    pub requires_known_groups: bool,
    /// Other names under which an identity provider knows this client.
    pub aliases: Vec<ClientId>,
    /// The contacts that the client's users see.
    pub visibility: Visibility,
    /// The name of the message templates for codes to its users; `None` for the default templates.
    pub message_templates: Option<String>,
    /// The lifetime of the client's access tokens; `None` for the lifetime in the settings.
    pub access_token_lifetime: Option<Duration>,
    /// Tokens of the client's users may carry administrator roles.
    pub allows_administration: bool,
    /// Names of the groups that the client may assert in a SAML login. [`ANY_GROUP`](crate::group::ANY_GROUP) permits
    /// all groups without an administrator role.
    pub assertable_groups: Vec<String>,
    /// The form of `expiresIn` in token responses to the client; `None` for the default of each operation.
    pub expires_in: Option<ExpiresIn>,
}

impl Client {
    /// Returns an enabled client that has no secret, role, scope or permission yet.
    pub fn new(id: ClientId) -> Self {
        Self {
            id,
            secrets: Vec::new(),
            is_enabled: true,
            is_removed: false,
            epoch: 0,
            roles: Vec::new(),
            scopes: Vec::new(),
            accepts_saml: false,
            is_identity_provider: false,
            creates_users: false,
            requires_known_groups: false,
            aliases: Vec::new(),
            visibility: Visibility::default(),
            message_templates: None,
            access_token_lifetime: None,
            allows_administration: false,
            assertable_groups: Vec::new(),
            expires_in: None,
        }
    }

    /// Returns whether `name` is the client's id or one of its aliases.
    pub fn is_known_as(&self, name: &ClientId) -> bool {
        self.id == *name || self.aliases.contains(name)
    }

    /// Returns the digests of the secrets that are valid at `now`.
    pub fn secrets_at(&self, now: Timestamp) -> impl Iterator<Item = &ClientSecretDigest> {
        self.secrets
            .iter()
            .filter(move |secret| secret.valid_until.is_none_or(|until| now < until))
    }

    /// Revokes every access token that was issued to the client so far, by raising its epoch.
    pub fn revoke_tokens(&mut self) {
        self.epoch += 1;
    }

    /// Disables the client and revokes its tokens. Every login, SAML login and renewal is rejected until the client is
    /// enabled again.
    pub fn disable(&mut self) {
        self.is_enabled = false;
        self.revoke_tokens();
    }

    /// Returns the record that is kept of a removed client: its id, and an epoch that none of its tokens carries.
    #[must_use]
    pub fn into_removed(self) -> Self {
        Self {
            is_enabled: false,
            is_removed: true,
            epoch: self.epoch + 1,
            ..Self::new(self.id)
        }
    }

    /// Adds a new secret as the first and removes expired ones.
    ///
    /// With `keep_until`, the other secrets stay valid until then at the latest. Without it, they are removed
    /// immediately and all access tokens of the client are revoked: a secret that is replaced without overlap may have
    /// leaked, and with it the tokens that it obtained.
    pub fn replace_secret(&mut self, digest: ClientSecretDigest, now: Timestamp, keep_until: Option<Timestamp>) {
        self.secrets
            .retain(|old| old.valid_until.is_none_or(|until| now < until));
        match keep_until {
            None => {
                self.secrets.clear();
                self.revoke_tokens();
            }
            Some(until) => {
                for old in &mut self.secrets {
                    old.valid_until = Some(old.valid_until.map_or(until, |already| already.min(until)));
                }
            }
        }
        self.secrets.insert(0, digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portal() -> Client {
        Client::new(ClientId::parse("portal").unwrap())
    }

    #[test]
    fn revoking_tokens_raises_the_epoch() {
        let digest = ClientSecretDigest {
            salt: [0; 16],
            digest: [0; 32],
            valid_until: None,
        };
        let mut client = portal();
        client.disable();
        assert_eq!((client.is_enabled, client.epoch), (false, 1));
        client.is_enabled = true;
        client.revoke_tokens();
        assert_eq!(client.epoch, 2);
        client.replace_secret(digest.clone(), Timestamp::UNIX_EPOCH, Some(Timestamp::MAX));
        assert_eq!(client.epoch, 2, "the old secret stays valid");
        client.replace_secret(digest, Timestamp::UNIX_EPOCH, None);
        assert_eq!(client.epoch, 3);
        let removed = client.into_removed();
        assert_eq!(
            (removed.is_enabled, removed.is_removed, removed.epoch),
            (false, true, 4)
        );
        assert!(removed.secrets.is_empty());
    }
}
