//! The declaration of a setting: its name, its readers, and whether it is required.

/// The binaries that read settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// `authme` when it serves.
    Authme,
    /// `authme` as the operator's tool. It may run with the environment variables of deployed services.
    Operator,
    Factors,
    Tokens,
    CredentialLock,
}

impl Binary {
    /// Returns the context that a service serves, or `None` for `authme`, which serves all of them.
    pub const fn context(self) -> Option<&'static str> {
        match self {
            Self::Authme | Self::Operator => None,
            Self::Factors => Some("factors"),
            Self::Tokens => Some("tokens"),
            Self::CredentialLock => Some("credential-lock"),
        }
    }

    /// Returns whether a setting may be given. A service also accepts the settings of the other services, so that one
    /// file can configure all of them.
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
/// The binaries that issue tokens.
pub(super) const ISSUERS: &[Binary] = &[Binary::Authme, Binary::Tokens];
pub(super) const TOKENS: &[Binary] = &[Binary::Tokens];
pub(super) const FACTORS: &[Binary] = &[Binary::Factors];
/// The binaries that send codes.
pub(super) const SENDERS: &[Binary] = &[Binary::Authme, Binary::Factors];
/// The binaries that can verify with the key set of the service `tokens`.
pub(super) const VERIFIERS: &[Binary] = &[Binary::Factors, Binary::CredentialLock];

/// The condition under which a service needs a value to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requirement {
    Optional,
    Required,
    /// Required unless the other setting has a value, in services that read the other.
    RequiredUnless(&'static str),
}

/// A setting, by the name that operators use.
pub(super) struct Setting {
    /// The whole path, such as `http.listen`.
    pub(super) name: &'static str,
    read_by: &'static [Binary],
    pub(super) requirement: Requirement,
    /// The only values that the setting may have. Empty if its type determines them.
    pub(super) choices: &'static [&'static str],
    pub(super) meaning: &'static str,
}

impl Setting {
    pub(super) const fn new(read_by: &'static [Binary], name: &'static str, meaning: &'static str) -> Self {
        Self {
            name,
            read_by,
            requirement: Requirement::Optional,
            choices: &[],
            meaning,
        }
    }

    pub(super) const fn required(self) -> Self {
        self.with_requirement(Requirement::Required)
    }

    pub(super) const fn with_requirement(mut self, requirement: Requirement) -> Self {
        self.requirement = requirement;
        self
    }

    pub(super) const fn one_of(mut self, choices: &'static [&'static str]) -> Self {
        self.choices = choices;
        self
    }

    pub(super) fn is_read_by(&self, binary: Binary) -> bool {
        let reader = match binary {
            Binary::Operator => Binary::Authme,
            other => other,
        };
        self.read_by.contains(&reader)
    }

    /// Returns whether the setting belongs to a section, such as `http`.
    pub(super) fn is_in(&self, section: &str) -> bool {
        let rest = self.name.strip_prefix(section);
        rest.is_some_and(|rest| rest.starts_with('.'))
    }
}
