use std::path::PathBuf;
use std::time::Duration;

use adapter_crypto::{KeySetCacheSettings, TokenProfile, TokenType};
use adapter_http::LoginGuardSettings;
use domain::names::{RoleHolder, is_administrator};
use jiff::SignedDuration;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service_runtime::{CommandError, Loaded, SettingsError};
use use_cases::sessions::SessionSettings;
use use_cases::tokens::TokensSettings;

/// The claims that an accepted token must have.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "tokens")]
pub struct AcceptedTokenSettings {
    /// Claim `iss` of access tokens. A token with another value is rejected.
    ///
    /// Empty in `authme` if the address of the API is the issuer.
    pub issuer: String,
    /// Claim `aud` of access tokens. A token with another value is rejected.
    pub audience: String,
    /// Header `typ` of access tokens: `at+jwt` (RFC 9068), `JWT` or `none`. A token with another value is rejected.
    pub typ: String,
    /// Upper limit of the access token lifetime of every client. A token with a longer lifetime is rejected. At least
    /// `1s`.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration", extend("formatMinimum" = "1s"))]
    pub longest_access_token_lifetime: Duration,
}

impl Default for AcceptedTokenSettings {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: String::new(),
            typ: "at+jwt".to_owned(),
            longest_access_token_lifetime: Duration::from_hours(1),
        }
    }
}

impl AcceptedTokenSettings {
    /// Returns what tokens are signed with and verified against.
    pub fn profile(&self) -> Result<TokenProfile, CommandError> {
        let token_type =
            TokenType::parse(&self.typ).ok_or_else(|| CommandError::msg("`tokens.typ` must be at+jwt, JWT or none"))?;
        Ok(TokenProfile {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            token_type,
            longest_life: self.longest_access_token_lifetime,
        })
    }
}

/// The tokens that are issued.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "tokens")]
pub struct TokenSettings {
    /// Lifetime of access tokens, unless the client has its own. At least `1s`, at most
    /// `tokens.longest_access_token_lifetime`.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration", extend("formatMinimum" = "1s"))]
    pub access_token_lifetime: Duration,
    /// Lifetime of validation tokens, from the SAML login to the redemption. At least `1s`.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration", extend("formatMinimum" = "1s"))]
    pub validation_token_lifetime: Duration,
    /// Time after which a session ends, however often it was renewed. At least `1s`.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration", extend("formatMinimum" = "1s"))]
    pub refresh_absolute_lifetime: Duration,
    /// Time after which a session ends if it was not renewed. At least `1s`.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration", extend("formatMinimum" = "1s"))]
    pub refresh_idle_lifetime: Duration,
    /// Time for which the previous refresh token still gets the same successor, so that a lost response logs no user
    /// out. After it, the previous token counts as stolen. `0s` allows no reuse.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration")]
    pub refresh_grace: Duration,
    /// Time for which a used validation token still gets the same session, so that a lost response needs no new login.
    /// `0s` allows one use.
    #[serde(with = "duration")]
    #[schemars(with = "SignedDuration")]
    pub redemption_grace: Duration,
    /// Sessions that one client may start for one user per minute, in one process. Further ones get status 429. `0`
    /// means no limit.
    pub new_sessions_per_minute: u32,
    /// Active sessions that one user may have through one client. Starting another one ends the least recently renewed.
    /// `0` means no limit.
    pub sessions_per_client: u32,
    /// `true` also accepts the token of a renewal in the query, which access logs of proxies record. `false` accepts it
    /// only in the body.
    #[serde(rename = "query_tokens")]
    pub accepts_query_tokens: bool,
}

impl Default for TokenSettings {
    fn default() -> Self {
        let sessions = SessionSettings::default();
        Self {
            access_token_lifetime: sessions.access_token_lifetime,
            validation_token_lifetime: TokensSettings::default().validation_token_lifetime,
            refresh_absolute_lifetime: sessions.refresh_absolute_lifetime,
            refresh_idle_lifetime: sessions.refresh_idle_lifetime,
            refresh_grace: sessions.refresh_grace,
            redemption_grace: sessions.redemption_grace,
            new_sessions_per_minute: sessions.new_sessions_per_minute,
            sessions_per_client: sessions.sessions_per_client,
            accepts_query_tokens: true,
        }
    }
}

impl TokenSettings {
    /// Returns the settings that sessions read.
    pub fn sessions(&self) -> SessionSettings {
        SessionSettings {
            access_token_lifetime: self.access_token_lifetime,
            refresh_absolute_lifetime: self.refresh_absolute_lifetime,
            refresh_idle_lifetime: self.refresh_idle_lifetime,
            refresh_grace: self.refresh_grace,
            redemption_grace: self.redemption_grace,
            new_sessions_per_minute: self.new_sessions_per_minute,
            sessions_per_client: self.sessions_per_client,
        }
    }
}

/// Logins by SAML.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "saml")]
pub struct SamlSettings {
    /// Roles of a user created by a SAML login. Administrator roles are not allowed.
    pub default_roles: Vec<String>,
}

impl Default for SamlSettings {
    fn default() -> Self {
        Self {
            default_roles: TokensSettings::default().saml_default_roles,
        }
    }
}

impl SamlSettings {
    /// Rejects administrator roles: otherwise the first user that an identity provider names would be an administrator.
    fn check(&self) -> Result<(), SettingsError> {
        let is_forbidden = |role: &&String| RoleHolder::Identity.check(role).is_err() || is_administrator(role);
        match self.default_roles.iter().find(is_forbidden) {
            None => Ok(()),
            Some(role) => Err(SettingsError::unusable(
                "saml.default_roles",
                format!("holds `{role}`, which is not allowed for users created by a SAML login"),
            )),
        }
    }
}

/// The settings of a program that issues tokens.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    pub tokens: TokenSettings,
    pub saml: SamlSettings,
    pub login: LoginGuardSettings,
    pub keys: KeySetCacheSettings,
}

impl IssuerSettings {
    /// Reads the sections, and rejects unusable values.
    pub fn read(loaded: &Loaded) -> Result<Self, SettingsError> {
        let settings = Self {
            tokens: loaded.read()?,
            saml: loaded.read()?,
            login: loaded.read()?,
            keys: loaded.read()?,
        };
        let longest = loaded.read::<AcceptedTokenSettings>()?.longest_access_token_lifetime;
        if settings.tokens.access_token_lifetime > longest {
            return Err(SettingsError::unusable(
                "tokens.access_token_lifetime",
                "must not exceed tokens.longest_access_token_lifetime",
            ));
        }
        settings.saml.check()?;
        Ok(settings)
    }

    /// Returns the settings that the use cases of tokens read.
    pub fn use_cases(&self) -> TokensSettings {
        TokensSettings {
            validation_token_lifetime: self.tokens.validation_token_lifetime,
            saml_default_roles: self.saml.default_roles.clone(),
        }
    }
}

/// The secret of refresh tokens.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "secrets")]
pub struct RefreshSecretSettings {
    /// File with the keys that sign refresh tokens, 64 hexadecimal digits per line. The first key signs, and all of them
    /// verify.
    pub refresh_file: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_roles_of_saml_users_exclude_administrators() {
        let with = |role: &str| SamlSettings {
            default_roles: vec!["AUTH-BASIC".to_owned(), role.to_owned()],
        };
        assert!(with("USER").check().is_ok());
        for role in ["ADMIN", "ROLE_IAM_ADMIN_MAINTENANCE", "CLI-1STPARTY", "AUTH-MFA"] {
            let error = with(role).check().unwrap_err();
            assert!(error.to_string().contains(role), "{error}");
        }
    }
}
