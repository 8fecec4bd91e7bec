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

/// How an answer tells when its access token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiresIn {
    /// The second of its expiry, counted from the epoch: as `exp`.
    Absolute,
    /// Its life in seconds (RFC 6749 section 5.1).
    Seconds,
}

impl ExpiresIn {
    pub const ALL: [Self; 2] = [Self::Absolute, Self::Seconds];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == text)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Seconds => "seconds",
        }
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
    pub is_enabled: bool,
    /// Whether it was removed. Its record stays, so that a client made again under the id continues its epoch and takes
    /// over no token.
    pub is_removed: bool,
    /// Raised whenever its access tokens must die; each carries the one it was minted under.
    pub epoch: u64,
    pub roles: Vec<String>,
    pub scopes: Vec<String>,
    /// May be the target of a SAML hand-off.
    pub accepts_saml: bool,
    /// May renew by user id after a login at an external identity provider.
    pub is_identity_provider: bool,
    /// A hand-off of an unknown e-mail makes the user.
    pub creates_users: bool,
    /// A hand-off that names an unknown group is refused.
    pub requires_known_groups: bool,
    /// Other names under which an identity provider knows this client.
    pub aliases: Vec<ClientId>,
    pub visibility: Visibility,
    /// The texts of the codes its users are sent, by name, where they differ from the setting.
    pub texts: Option<String>,
    /// Life of its access tokens where it differs from the setting.
    pub access_token_lifetime: Option<Duration>,
    /// Its users' tokens may carry administrator roles.
    pub allows_administration: bool,
    /// The groups it may assert in a hand-off, by name; [`ANY_GROUP`](crate::group::ANY_GROUP) stands for all that give no
    /// administrator role.
    pub may_assert: Vec<String>,
    /// How its answers tell when a token ends, where it differs from that of the operation.
    pub expires_in: Option<ExpiresIn>,
}

impl Client {
    /// A client with nothing set up but its id.
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
            texts: None,
            access_token_lifetime: None,
            allows_administration: false,
            may_assert: Vec::new(),
            expires_in: None,
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

    /// Ends every access token minted for it until now.
    pub fn revoke_tokens(&mut self) {
        self.epoch += 1;
    }

    /// Ends its tokens, and refuses every login, hand-off and renewal until it is enabled again.
    pub fn disable(&mut self) {
        self.is_enabled = false;
        self.revoke_tokens();
    }

    /// What is left of it once it is removed: its id, and an epoch that none of its tokens has.
    #[must_use]
    pub fn into_removed(self) -> Self {
        Self {
            is_enabled: false,
            is_removed: true,
            epoch: self.epoch + 1,
            ..Self::new(self.id)
        }
    }

    /// Puts a new secret in front; those before it end at `keep_until`, or at once. A secret that is replaced without
    /// overlap may have leaked, so the tokens it got end, too.
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
    fn what_ends_the_tokens_of_a_client_raises_its_epoch() {
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
        assert_eq!(client.epoch, 2, "the old secret works on");
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
