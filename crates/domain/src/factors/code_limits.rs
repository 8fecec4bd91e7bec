use std::time::Duration;

/// The limits on attempts at codes, and the lifetime of a code. Every attempt counts, right or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeLimits {
    /// The maximum number of attempts at one challenge.
    pub attempts_per_challenge: u32,
    /// The maximum number of attempts of one contact in a window, across challenges.
    pub attempts_per_contact: u32,
    /// The maximum number of attempts of one user in a window, across contacts.
    pub attempts_per_user: u32,
    /// The length of a window, which begins with its first attempt.
    pub window: Duration,
    /// The lifetime of a code: at most ten minutes (NIST SP 800-63B section 3.1.3.2).
    pub lifetime: Duration,
}

impl Default for CodeLimits {
    /// Returns the default limits. 5 attempts at a challenge allow for typing errors. 20 attempts of a contact in 24
    /// hours, each at one of a million codes, succeed with a chance of 1 in 50,000 a day. 50 attempts of a user bound
    /// the sum over all contacts.
    fn default() -> Self {
        Self {
            attempts_per_challenge: 5,
            attempts_per_contact: 20,
            attempts_per_user: 50,
            window: Duration::from_hours(24),
            lifetime: Duration::from_mins(10),
        }
    }
}
