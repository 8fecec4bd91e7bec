use std::time::Duration;

use crate::ids::UserId;

/// The key that sent codes are counted under: a user, or the keyed digest of a destination, so that the store of the
/// quotas holds no contact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendQuotaKey(String);

impl SendQuotaKey {
    /// Returns the key of a user's own quota.
    pub fn user(user: &UserId) -> Self {
        Self(format!("user:{user}"))
    }

    /// Returns the key of a contact's quota, shared by all users that have the contact.
    pub fn destination(digest: &[u8; 32]) -> Self {
        Self(format!("to:{}", crate::hex::encode(digest)))
    }

    /// Returns the stored form, with the prefix `user:` or `to:`.
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
    /// Protects the owner of a contact from a flood of messages.
    pub per_destination: SendQuota,
    /// Bounds the cost of one user's messages.
    pub per_user: SendQuota,
}

impl Default for SendQuotaSettings {
    /// Returns the default quotas. 3 messages in 10 minutes to a destination allow two repetitions of a lost one. A
    /// user gets 10 messages in 24 hours.
    fn default() -> Self {
        Self {
            per_destination: SendQuota {
                limit: 3,
                window: Duration::from_mins(10),
            },
            per_user: SendQuota {
                limit: 10,
                window: Duration::from_hours(24),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn default_quotas_are_three_per_destination_and_ten_per_user() {
        let SendQuotaSettings {
            per_destination,
            per_user,
        } = SendQuotaSettings::default();
        assert_eq!((per_destination.limit, per_destination.window.as_secs()), (3, 600));
        assert_eq!((per_user.limit, per_user.window.as_secs()), (10, 86_400));
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
            prop_assert_ne!(key(&one), SendQuotaKey::destination(&digest));
            let spelled = UserId::parse(crate::hex::encode(&digest)).unwrap();
            prop_assert_ne!(SendQuotaKey::user(&spelled), SendQuotaKey::destination(&digest));
        }
    }
}
