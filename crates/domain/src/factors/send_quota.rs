use std::time::Duration;

use crate::ids::UserId;

/// What sending is counted by: a user, or the keyed digest of a destination.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendQuotaKey(String);

impl SendQuotaKey {
    pub fn user(user: &UserId) -> Self {
        Self(format!("user:{user}"))
    }

    pub fn destination(digest: &[u8; 32]) -> Self {
        Self(format!("to:{}", crate::hex::encode(digest)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many codes may be sent in a window that begins with the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendQuota {
    pub most: u32,
    pub window: Duration,
}

/// The limits of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendQuotaSettings {
    pub per_destination: SendQuota,
    pub per_user: SendQuota,
}

impl Default for SendQuotaSettings {
    fn default() -> Self {
        Self {
            per_destination: SendQuota {
                most: 3,
                window: Duration::from_mins(10),
            },
            per_user: SendQuota {
                most: 10,
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
    fn three_in_ten_minutes_to_a_destination_and_ten_a_day_of_a_user() {
        let SendQuotaSettings {
            per_destination,
            per_user,
        } = SendQuotaSettings::default();
        assert_eq!((per_destination.most, per_destination.window.as_secs()), (3, 600));
        assert_eq!((per_user.most, per_user.window.as_secs()), (10, 86_400));
    }

    proptest! {
        #[test]
        fn no_user_shares_a_key_with_another_or_with_a_destination(
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
