//! What a setting is, and who reads it.

/// The binaries that read settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// `authme` when it serves.
    Authme,
    /// `authme` as the operator's tool: it runs beside whatever is deployed, under the same variables.
    Operator,
    Factors,
    Tokens,
    CredentialLock,
}

impl Binary {
    /// The context it serves; `None` for the one that serves all.
    pub const fn context(self) -> Option<&'static str> {
        match self {
            Self::Authme | Self::Operator => None,
            Self::Factors => Some("factors"),
            Self::Tokens => Some("tokens"),
            Self::CredentialLock => Some("credential-lock"),
        }
    }

    /// Whether it accepts a setting. Services accept each other's, so that one file may serve all of them.
    pub(super) fn accepts(self, setting: &Setting) -> bool {
        match self {
            Self::Authme => setting.is_read_by(self),
            Self::Operator => true,
            Self::Factors | Self::Tokens | Self::CredentialLock => {
                SERVICES.iter().any(|service| setting.is_read_by(*service))
            }
        }
    }
}

/// The binaries of the deployed form.
pub(super) const SERVICES: &[Binary] = &[Binary::Factors, Binary::Tokens, Binary::CredentialLock];
pub(super) const EVERYWHERE: &[Binary] = &[Binary::Authme, Binary::Factors, Binary::Tokens, Binary::CredentialLock];
/// Those that issue tokens.
pub(super) const ISSUERS: &[Binary] = &[Binary::Authme, Binary::Tokens];
pub(super) const TOKENS: &[Binary] = &[Binary::Tokens];
pub(super) const FACTORS: &[Binary] = &[Binary::Factors];
/// Those that send codes.
pub(super) const SENDERS: &[Binary] = &[Binary::Authme, Binary::Factors];
/// Those that may verify with the key set of another.
pub(super) const VERIFIERS: &[Binary] = &[Binary::Factors, Binary::CredentialLock];

/// Whether a service starts without a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Optional,
    Required,
    /// Unless the other is given, where the service reads that one.
    RequiredUnless(&'static str),
}

/// A setting as an operator knows it.
pub(super) struct Setting {
    /// The whole path, such as `http.listen`.
    pub(super) name: &'static str,
    read_by: &'static [Binary],
    pub(super) need: Need,
    pub(super) meaning: &'static str,
}

impl Setting {
    pub(super) const fn of(read_by: &'static [Binary], name: &'static str, meaning: &'static str) -> Self {
        Self {
            name,
            read_by,
            need: Need::Optional,
            meaning,
        }
    }

    pub(super) const fn required(self) -> Self {
        self.needed(Need::Required)
    }

    pub(super) const fn needed(mut self, need: Need) -> Self {
        self.need = need;
        self
    }

    pub(super) fn is_read_by(&self, binary: Binary) -> bool {
        let reader = match binary {
            Binary::Operator => Binary::Authme,
            other => other,
        };
        self.read_by.contains(&reader)
    }

    /// Whether it belongs to a section, such as `http`.
    pub(super) fn is_in(&self, section: &str) -> bool {
        let rest = self.name.strip_prefix(section);
        rest.is_some_and(|rest| rest.starts_with('.'))
    }
}
