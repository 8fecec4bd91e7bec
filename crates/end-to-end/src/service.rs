/// One of the three services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Factors,
    Tokens,
    CredentialLock,
}

impl Service {
    pub const ALL: [Self; 3] = [Self::Factors, Self::Tokens, Self::CredentialLock];

    /// Returns its name in `authme openapi` and in the source of events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Factors => "factors",
            Self::Tokens => "tokens",
            Self::CredentialLock => "credential-lock",
        }
    }

    /// Returns the name of its binary.
    pub(crate) const fn binary(self) -> &'static str {
        match self {
            Self::Factors => "service-factors",
            Self::Tokens => "service-tokens",
            Self::CredentialLock => "service-credential-lock",
        }
    }
}
