use std::time::Duration;

/// The budgets of code attempts and the lifetime of a code. An attempt counts whether it was right or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeLimits {
    /// Attempts at one challenge.
    pub attempts_per_challenge: u32,
    /// Attempts of one contact in a window, across challenges.
    pub attempts_per_contact: u32,
    /// Attempts of one user in a window, across contacts.
    pub attempts_per_user: u32,
    /// The length of a window, which begins with its first attempt.
    pub window: Duration,
    /// The lifetime of a code: at most ten minutes (NIST SP 800-63B section 3.1.3.2).
    pub lifetime: Duration,
}

impl Default for CodeLimits {
    /// Returns 5 attempts at a challenge for typing errors. 20 of a contact in 24 hours at one of a million codes are a
    /// chance of 1 in 50,000 a day. 50 of a user bound the sum over contacts.
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
