use std::time::Duration;

use crate::ids::{ContactId, UserId};

/// The key that sent codes are counted under: a user, a contact of a user by its id, or the keyed digest of a
/// destination, so that the store of the quotas holds no contact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendQuotaKey(String);

impl SendQuotaKey {
    /// Returns the key of a user's quota of a day.
    pub fn user(user: &UserId) -> Self {
        Self(format!("user:{user}"))
    }

    /// Returns the key of a user's quota of ten minutes for one contact. Ids have no colon, so the key is unambiguous.
    pub fn contact(user: &UserId, contact: &ContactId) -> Self {
        Self(format!("contact:{user}:{contact}"))
    }

    /// Returns the key of a destination's quota of ten minutes, shared by all users that have the destination.
    pub fn destination(digest: &[u8; 32]) -> Self {
        Self(format!("to:{}", crate::hex::encode(digest)))
    }

    /// Returns the key of a destination's quota of a day, shared by all users that have the destination.
    pub fn destination_day(digest: &[u8; 32]) -> Self {
        Self(format!("to-day:{}", crate::hex::encode(digest)))
    }

    /// Returns the stored form, with the prefix `user:`, `contact:`, `to:` or `to-day:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The limit on the codes that are sent in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendQuota {
    /// The maximum number of messages in a window. A message counts before it is sent, whether or not it is delivered.
    pub limit: u32,
    /// The length of a window, which begins with its first message.
    pub window: Duration,
}

/// The send quotas of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendQuotaSettings {
    /// Protects the owner of a destination from a flood of messages. Counts an unverified contact over all users, and a
    /// verified one for its user alone.
    pub per_destination: SendQuota,
    /// Bounds the messages of all users together to a destination that none of them has verified.
    pub per_destination_day: SendQuota,
    /// Bounds the cost of one user's messages.
    pub per_user: SendQuota,
}

impl SendQuotaSettings {
    /// Returns the quotas of a message to a verified contact, besides the user's own. They are the user's alone.
    /// Scenario: Mallory adds Bob's number to her account and requests three codes to it. If Bob's codes counted under
    /// the number, he would get none for ten minutes.
    pub fn verified(&self, user: &UserId, contact: &ContactId) -> Vec<(SendQuotaKey, SendQuota)> {
        vec![(SendQuotaKey::contact(user, contact), self.per_destination)]
    }

    /// Returns the quotas of a message to an unverified contact, besides the user's own. `digest` is the keyed digest of
    /// its destination. All users share them, because the owner of the destination may be none of them.
    pub fn unverified(&self, digest: &[u8; 32]) -> Vec<(SendQuotaKey, SendQuota)> {
        vec![
            (SendQuotaKey::destination(digest), self.per_destination),
            (SendQuotaKey::destination_day(digest), self.per_destination_day),
        ]
    }
}

impl Default for SendQuotaSettings {
    /// Returns the default quotas. 3 messages in 10 minutes to a destination allow two repetitions of a lost one. A
    /// user, and an unverified destination, get 10 messages in 24 hours.
    fn default() -> Self {
        let a_day = SendQuota {
            limit: 10,
            window: Duration::from_hours(24),
        };
        Self {
            per_destination: SendQuota {
                limit: 3,
                window: Duration::from_mins(10),
            },
            per_destination_day: a_day,
            per_user: a_day,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn default_quotas_are_three_in_ten_minutes_and_ten_a_day() {
        let SendQuotaSettings {
            per_destination,
            per_destination_day,
            per_user,
        } = SendQuotaSettings::default();
        assert_eq!((per_destination.limit, per_destination.window.as_secs()), (3, 600));
        for day in [per_destination_day, per_user] {
            assert_eq!((day.limit, day.window.as_secs()), (10, 86_400));
        }
    }

    proptest! {
        #[test]
        fn quota_keys_of_users_and_destinations_never_collide(
            one in "[A-Za-z0-9_-]{3,64}",
            other in "[A-Za-z0-9_-]{3,64}",
            digest: [u8; 32],
        ) {
            let key = |user: &str| SendQuotaKey::user(&UserId::parse(user).unwrap());
            prop_assert_eq!(key(&one) == key(&other), one == other);
            let contact = |id: &str| SendQuotaKey::contact(&UserId::parse(&*one).unwrap(), &ContactId::parse(id).unwrap());
            prop_assert_eq!(contact(&one) == contact(&other), one == other);
            let destinations = [SendQuotaKey::destination(&digest), SendQuotaKey::destination_day(&digest)];
            prop_assert_ne!(&destinations[0], &destinations[1]);
            for destination in destinations {
                prop_assert!(key(&one) != destination && contact(&one) != destination);
            }
            prop_assert_ne!(key(&one), contact(&one));
            let spelled = UserId::parse(crate::hex::encode(&digest)).unwrap();
            prop_assert_ne!(SendQuotaKey::user(&spelled), SendQuotaKey::destination(&digest));
        }
    }
}
