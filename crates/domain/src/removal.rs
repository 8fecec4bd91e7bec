//! The removal of a user (`docs/protocols.md` "Removal of a user"): what is still stored of a removed user, and in which
//! order it is erased.

use crate::ids::UserId;

/// A part of what is stored of a removed user. Its owner erases it after the removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemovalPart {
    /// The e-mail and mobile that the user logged in with.
    Logins,
    /// The epoch of the credential, which is raised, so that nothing issued before the removal fits a new user of this
    /// id. A lock stays.
    CredentialLock,
    /// The alternative contacts and the one-time codes.
    Factors,
    /// The refresh token families.
    Sessions,
}

impl RemovalPart {
    /// All parts, in the order in which one process erases them.
    pub const ALL: [Self; 4] = [Self::Logins, Self::CredentialLock, Self::Factors, Self::Sessions];

    /// Returns the name under which stores keep the part.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logins => "logins",
            Self::CredentialLock => "credential_lock",
            Self::Factors => "factors",
            Self::Sessions => "sessions",
        }
    }

    /// Returns the part of this name; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == name)
    }
}

/// A removed user of whom something is still stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRemoval {
    /// The id, which no other user gets while a part is pending.
    pub user: UserId,
    /// The parts that are not erased yet.
    pub parts: Vec<RemovalPart>,
}

impl PendingRemoval {
    /// Returns whether this part may be erased. Contacts and sessions wait until the epoch is raised. The emptied factor
    /// set keeps the raised epoch, so that it is never shown to a token from before. As for sessions:
    ///
    /// - A renews or logs in. B removes the user. The sessions are erased. A inserts its session and passes the mint
    ///   gate, because the epoch is still the old one: the session stays stored.
    /// - With the epoch raised first, A either inserts its session before the raise, and the erasure finds it, or the
    ///   gate reads the raised epoch, and no token leaves the process.
    pub fn is_due(&self, part: RemovalPart) -> bool {
        let needs_epoch = matches!(part, RemovalPart::Factors | RemovalPart::Sessions);
        let waits = needs_epoch && self.parts.contains(&RemovalPart::CredentialLock);
        self.parts.contains(&part) && !waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_and_sessions_wait_for_the_raised_epoch() {
        let mut removal = PendingRemoval {
            user: UserId::parse("ana").unwrap(),
            parts: RemovalPart::ALL.to_vec(),
        };
        let due = |removal: &PendingRemoval| RemovalPart::ALL.map(|part| removal.is_due(part));
        assert_eq!(due(&removal), [true, true, false, false]);
        removal.parts.retain(|part| *part != RemovalPart::CredentialLock);
        assert_eq!(due(&removal), [true, false, true, true]);
    }

    #[test]
    fn names_of_parts_are_parsed() {
        for part in RemovalPart::ALL {
            assert_eq!(RemovalPart::parse(part.as_str()), Some(part));
        }
        assert_eq!(RemovalPart::parse("contacts"), None);
    }
}
