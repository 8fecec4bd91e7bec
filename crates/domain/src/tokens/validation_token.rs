use std::net::IpAddr;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::group::AssertedGroups;
use crate::ids::{BusinessId, ClientId, FamilyId, UserId};
use crate::sessions::RefreshToken;
use crate::time::{self, Timestamp};

/// A validation token in the form that its bearer presents: 256 random bits, returned once and never stored. `{:?}`
/// does not show it.
#[derive(Clone)]
pub struct ValidationTokenSecret(Zeroizing<String>);

impl ValidationTokenSecret {
    /// Returns the token of these bits: `vt_` and 64 hexadecimal digits.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(format!("vt_{}", crate::hex::encode(&bytes))))
    }

    /// Returns the text for the response and the hasher; it must not reach a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ValidationTokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ValidationTokenSecret")
    }
}

/// The SHA-256 of a validation token, under which it is stored. A copy of the store yields no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValidationTokenHash(pub [u8; 32]);

/// The one use of a validation token. It is stored until the grace time is over, so that a use whose answer was lost can
/// be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumption {
    /// The start of the grace time.
    pub at: Timestamp,
    /// True if the use asked for a refresh token, and so starts the session.
    pub starts_session: bool,
}

/// The judgement of a stored validation token on a use of it (`docs/protocols.md` "Redemption").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redemption {
    /// It was not used and has not expired: consume it.
    First,
    /// It was used in the same way, inside the grace time: a repetition after a lost answer, or one of several parallel
    /// uses. It gets the same session again.
    Repeated,
    /// It expired before its use, its grace time is over, or it was used in another way: 401.
    Refused,
}

/// A stored validation token: a secret for one use, with which the target application gets a user's tokens. It is
/// comparable to an authorization code (RFC 6749 section 1.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationToken {
    /// The key under which it is stored.
    pub hash: ValidationTokenHash,
    /// The user that the SAML login or `change-app` is for.
    pub user: UserId,
    /// The client that requested it.
    pub origin_client: ClientId,
    /// The only client that may consume it.
    pub target_client: ClientId,
    /// The business that the new session will act for.
    pub business: Option<BusinessId>,
    /// Groups that the SAML login asserted.
    pub groups: Vec<String>,
    /// The credential epoch that it was issued under; the new session inherits it, so a lock in the meantime
    /// invalidates both.
    pub epoch: u64,
    /// The sessions version that it was issued under, which the new session inherits as it does the epoch.
    pub sessions_version: u64,
    /// The session that it branches from and that session's ancestors, the oldest first; empty after a SAML login.
    pub ancestors: Vec<FamilyId>,
    /// The absolute expiry of the session that it branches from, which the new session will not exceed.
    pub session_expires_at: Option<Timestamp>,
    /// The user's address as the request gave it. It is stored and returned, never compared.
    pub ip: Option<IpAddr>,
    /// The first instant at which it can no longer be consumed: 60 s after it was issued by default, or the end of the
    /// session that it branches from if that is earlier. The consumption moves it to its own time.
    pub expires_at: Timestamp,
    /// The subset of `groups` that may give administrator roles: the asserting client is registered for them by name.
    pub administrative_groups: Vec<String>,
    /// The first refresh token of the session that its use starts, with the session's id. It is drawn when the
    /// validation token is issued, so that every repetition of the use starts the same session. `None` for a token that
    /// an earlier version stored; such a token cannot be used again.
    pub first_refresh_token: Option<RefreshToken>,
    /// Its use; `None` while it is unused.
    pub consumption: Option<Consumption>,
}

impl ValidationToken {
    /// Judges a use at `now`, which starts a session or does not.
    ///
    /// A repetition must ask for the same as the use: an access token alone is not turned into a session. Less than
    /// `grace` must have passed since the use; if `grace` is zero, there are no repetitions. Nor are there any once the
    /// session has ended that the token branches from.
    pub fn judge(&self, starts_session: bool, now: Timestamp, grace: Duration) -> Redemption {
        match self.consumption {
            None if now < self.expires_at => Redemption::First,
            Some(consumption)
                if self.first_refresh_token.is_some()
                    && self.session_expires_at.is_none_or(|end| now < end)
                    && consumption.starts_session == starts_session
                    && time::is_within(grace, consumption.at, now) =>
            {
                Redemption::Repeated
            }
            None | Some(_) => Redemption::Refused,
        }
    }

    /// Returns the groups in the form from which roles are computed.
    pub fn asserted_groups(&self) -> AssertedGroups {
        AssertedGroups {
            names: self.groups.clone(),
            administrative: self.administrative_groups.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::Nonce;

    const GRACE: Duration = Duration::from_secs(30);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Returns a token that expires at 60 s, and was used at 50 s to start a session if `is_used`.
    fn token(is_used: bool) -> ValidationToken {
        ValidationToken {
            hash: ValidationTokenHash([1; 32]),
            user: UserId::parse("ana").unwrap(),
            origin_client: ClientId::parse("saml").unwrap(),
            target_client: ClientId::parse("portal").unwrap(),
            business: None,
            groups: Vec::new(),
            epoch: 0,
            sessions_version: 0,
            ancestors: Vec::new(),
            session_expires_at: None,
            ip: None,
            expires_at: at(if is_used { 50 } else { 60 }),
            administrative_groups: Vec::new(),
            first_refresh_token: Some(RefreshToken {
                family: FamilyId::from_random([7; 12]),
                generation: 1,
                nonce: Nonce([7; 16]),
            }),
            consumption: is_used.then_some(Consumption {
                at: at(50),
                starts_session: true,
            }),
        }
    }

    #[test]
    fn an_unused_token_can_be_used_until_the_instant_of_expiry() {
        for starts_session in [true, false] {
            let judge = |second| token(false).judge(starts_session, at(second), GRACE);
            assert_eq!((judge(0), judge(59)), (Redemption::First, Redemption::First));
            assert_eq!((judge(60), judge(61)), (Redemption::Refused, Redemption::Refused));
        }
    }

    #[test]
    fn a_use_can_be_repeated_in_its_grace_time_only() {
        let judge = |second, grace| token(true).judge(true, at(second), grace);
        // 49 s: the clock of this process is behind the clock of the one that stored the use.
        for second in [49, 50, 60, 79] {
            assert_eq!(judge(second, GRACE), Redemption::Repeated, "{second}");
            assert_eq!(judge(second, Duration::ZERO), Redemption::Refused, "{second}");
        }
        assert_eq!(judge(80, GRACE), Redemption::Refused);
    }

    #[test]
    fn a_repetition_asks_for_the_same() {
        assert_eq!(token(true).judge(false, at(50), GRACE), Redemption::Refused);
        let mut without_session = token(true);
        without_session.consumption = Some(Consumption {
            at: at(50),
            starts_session: false,
        });
        assert_eq!(without_session.judge(true, at(50), GRACE), Redemption::Refused);
        assert_eq!(without_session.judge(false, at(50), GRACE), Redemption::Repeated);
    }

    #[test]
    fn a_use_is_not_repeated_after_the_end_of_the_parent_session() {
        let mut token = token(true);
        token.session_expires_at = Some(at(55));
        assert_eq!(token.judge(true, at(54), GRACE), Redemption::Repeated);
        assert_eq!(token.judge(true, at(55), GRACE), Redemption::Refused);
    }

    #[test]
    fn a_token_without_a_stored_session_works_once() {
        let without = |token: ValidationToken| ValidationToken {
            first_refresh_token: None,
            ..token
        };
        assert_eq!(without(token(false)).judge(true, at(0), GRACE), Redemption::First);
        assert_eq!(without(token(true)).judge(true, at(50), GRACE), Redemption::Refused);
    }
}
