use std::time::Duration;

use subtle::ConstantTimeEq as _;

use super::{Nonce, RefreshToken};
use crate::group::AssertedGroups;
use crate::ids::{BusinessId, ClientId, FamilyId, UserId};
use crate::time::{self, Timestamp};

/// Why a family was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationReason {
    /// A spent token came back (RFC 9700 section 4.14.2).
    Replay,
    Logout,
    /// A locked user's family was met.
    Lock,
    /// A session that this one descends from was revoked.
    Ancestor,
}

impl RevocationReason {
    pub const ALL: [Self; 4] = [Self::Replay, Self::Logout, Self::Lock, Self::Ancestor];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Logout => "logout",
            Self::Lock => "lock",
            Self::Ancestor => "ancestor",
        }
    }

    /// Whether it revokes a closed family, too. Closing leaves the branches of a session alive, and a logout ends them as
    /// well. A lock ends each branch by its epoch, an ancestor's revocation is seen by them all, and a closed family has no
    /// replay.
    pub const fn ends_closed_families(self) -> bool {
        matches!(self, Self::Logout)
    }
}

/// The token whose use closed a family, and when: presented again inside the grace time, it still gets an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closure {
    pub generation: u64,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyStatus {
    Active,
    /// Ended by its own user without remembering; no event, its branches stay until it is revoked.
    Closed(Closure),
    /// Ended for good, with an event.
    Revoked(RevocationReason),
}

/// The longest chain of sessions made from sessions. Each mint reads every ancestor, so there is an end to it.
pub const MAX_ANCESTORS: usize = 8;

/// The session descends from as many others as one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is at the end of a chain of {MAX_ANCESTORS} others, so none can be made from it")]
pub struct TooManyAncestors;

/// Whom a session was made for; fixed for its whole life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub user: UserId,
    pub client: ClientId,
    pub business: Option<BusinessId>,
    /// Groups asserted at the hand-off.
    pub groups: Vec<String>,
    /// The sessions it descends from, the first one first; empty when it is no branch. At most [`MAX_ANCESTORS`]. The
    /// revocation of any of them ends it.
    pub ancestors: Vec<FamilyId>,
    /// The credential epoch it was born under.
    pub epoch: u64,
    /// Those of `groups` that may give administrator roles: the client that asserted them is registered for them by name.
    pub administrative_groups: Vec<String>,
}

impl Origin {
    pub fn asserted_groups(&self) -> AssertedGroups {
        AssertedGroups {
            names: self.groups.clone(),
            administrative: self.administrative_groups.clone(),
        }
    }
}

/// A refresh token family: one session, of which one token is current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshFamily {
    pub id: FamilyId,
    pub origin: Origin,
    /// Of the current token; from 1.
    pub generation: u64,
    pub nonce: Nonce,
    /// Of the token before the current one.
    pub previous_nonce: Option<Nonce>,
    /// When the current token was made.
    pub rotated_at: Timestamp,
    /// First instant at which the family is dead whatever happens.
    pub absolute_expires_at: Timestamp,
    /// First instant at which the family is dead unless renewed before.
    pub idle_expires_at: Timestamp,
    pub status: FamilyStatus,
}

/// A presented token with its caller: everything that rotation compares.
#[derive(Debug, Clone)]
pub struct PresentedToken {
    pub token: RefreshToken,
    pub client: ClientId,
    pub user: UserId,
}

/// What a family says to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The current token of a live family.
    Current,
    /// The token before the current one, inside the grace time: a lost answer, or one of several parallel renewals.
    Superseded,
    /// The token that closed the family, inside the grace time.
    ClosedByThisToken,
    /// Expired, closed or revoked.
    Ended,
    /// A spent token: the family must end.
    Replayed,
}

impl RefreshFamily {
    /// Returns the ancestors of a session that is made from this one: its own, then itself.
    pub fn ancestors_of_a_branch(&self) -> Result<Vec<FamilyId>, TooManyAncestors> {
        if self.origin.ancestors.len() >= MAX_ANCESTORS {
            return Err(TooManyAncestors);
        }
        let own = self.origin.ancestors.iter().cloned();
        Ok(own.chain([self.id.clone()]).collect())
    }

    /// First instant at which the family is dead unless renewed before: the earlier of its expiries.
    pub fn ends_at(&self) -> Timestamp {
        self.absolute_expires_at.min(self.idle_expires_at)
    }

    /// Whether it was closed or revoked, which is final. Expiry is not in it.
    pub fn has_ended(&self) -> bool {
        self.status != FamilyStatus::Active
    }

    /// Whether it may be renewed at `now`; what its ancestors and its user's credential say is not in it.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.status == FamilyStatus::Active && now < self.ends_at()
    }

    /// Whether there is something that `reason` can end.
    pub fn can_be_revoked(&self, reason: RevocationReason) -> bool {
        match self.status {
            FamilyStatus::Active => true,
            FamilyStatus::Closed(_) => reason.ends_closed_families(),
            FamilyStatus::Revoked(_) => false,
        }
    }

    /// The current token.
    pub fn current_token(&self) -> RefreshToken {
        RefreshToken {
            family: self.id.clone(),
            generation: self.generation,
            nonce: self.nonce,
        }
    }

    /// Judges a token whose MAC is good. `grace` of zero is strict: a superseded token is a replay at once.
    ///
    /// Grace holds while less than `grace` has passed since the rotation, and only for the immediate predecessor (03-protocols 1).
    pub fn judge(&self, token: &RefreshToken, now: Timestamp, grace: Duration) -> Verdict {
        let expired = now >= self.ends_at();
        let is_current = token.generation == self.generation && same(token.nonce, Some(self.nonce));
        let is_previous =
            token.generation.checked_add(1) == Some(self.generation) && same(token.nonce, self.previous_nonce);
        match self.status {
            FamilyStatus::Revoked(_) => Verdict::Ended,
            FamilyStatus::Closed(closing) => {
                let closed_by_this = token.generation == closing.generation && (is_current || is_previous);
                if closed_by_this && !expired && is_within(grace, closing.at, now) {
                    Verdict::ClosedByThisToken
                } else {
                    Verdict::Ended
                }
            }
            FamilyStatus::Active if is_current => {
                if expired {
                    Verdict::Ended
                } else {
                    Verdict::Current
                }
            }
            FamilyStatus::Active if is_previous && is_within(grace, self.rotated_at, now) => {
                if expired {
                    Verdict::Ended
                } else {
                    Verdict::Superseded
                }
            }
            FamilyStatus::Active => {
                if token.generation < self.generation {
                    Verdict::Replayed
                } else {
                    Verdict::Ended
                }
            }
        }
    }

    /// The family one generation later; idle expiry moves on, never past the absolute one.
    #[must_use]
    pub fn rotated(&self, nonce: Nonce, now: Timestamp, idle_lifetime: Duration) -> Self {
        Self {
            generation: self.generation + 1,
            nonce,
            previous_nonce: Some(self.nonce),
            rotated_at: now,
            idle_expires_at: time::after(now, idle_lifetime).min(self.absolute_expires_at),
            ..self.clone()
        }
    }
}

/// Whether less than `grace` has passed since `begun`. A caller that read its clock before `begun` is inside any grace
/// but the strict one, which has no inside.
fn is_within(grace: Duration, begun: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(begun)).unwrap_or(Duration::ZERO) < grace
}

fn same(presented: Nonce, stored: Option<Nonce>) -> bool {
    stored.is_some_and(|stored| presented.0.ct_eq(&stored.0).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn family() -> RefreshFamily {
        RefreshFamily {
            id: FamilyId::from_random([1; 12]),
            origin: Origin {
                user: UserId::parse("u1").unwrap(),
                client: ClientId::parse("portal").unwrap(),
                business: None,
                groups: Vec::new(),
                ancestors: Vec::new(),
                epoch: 0,
                administrative_groups: Vec::new(),
            },
            generation: 1,
            nonce: Nonce([1; 16]),
            previous_nonce: None,
            rotated_at: at(0),
            absolute_expires_at: at(1000),
            idle_expires_at: at(500),
            status: FamilyStatus::Active,
        }
    }

    #[test]
    fn the_current_token_is_good_until_the_exact_instant_of_expiry() {
        let family = family();
        let token = family.current_token();
        assert_eq!(family.judge(&token, at(499), GRACE), Verdict::Current);
        assert_eq!(family.judge(&token, at(500), GRACE), Verdict::Ended);
    }

    #[test]
    fn only_the_immediate_predecessor_has_grace_and_only_for_its_time() {
        let first = family();
        let second = first.rotated(Nonce([2; 16]), at(100), Duration::from_secs(500));
        assert_eq!(
            second.judge(&first.current_token(), at(129), GRACE),
            Verdict::Superseded
        );
        assert_eq!(second.judge(&first.current_token(), at(130), GRACE), Verdict::Replayed);
        assert_eq!(
            second.judge(&first.current_token(), at(100), Duration::ZERO),
            Verdict::Replayed
        );
        assert_eq!(second.judge(&first.current_token(), at(99), GRACE), Verdict::Superseded);
        assert_eq!(
            second.judge(&first.current_token(), at(99), Duration::ZERO),
            Verdict::Replayed
        );
        let third = second.rotated(Nonce([3; 16]), at(101), Duration::from_secs(500));
        assert_eq!(third.judge(&first.current_token(), at(101), GRACE), Verdict::Replayed);
        assert_eq!(
            third.judge(&second.current_token(), at(101), GRACE),
            Verdict::Superseded
        );
    }

    #[test]
    fn a_closed_family_answers_only_the_token_that_closed_it() {
        let first = family();
        let mut second = first.rotated(Nonce([2; 16]), at(100), Duration::from_secs(500));
        second.status = FamilyStatus::Closed(Closure {
            generation: 1,
            at: at(110),
        });
        assert_eq!(
            second.judge(&first.current_token(), at(139), GRACE),
            Verdict::ClosedByThisToken
        );
        assert_eq!(second.judge(&first.current_token(), at(140), GRACE), Verdict::Ended);
        assert_eq!(second.judge(&second.current_token(), at(111), GRACE), Verdict::Ended);
    }

    #[test]
    fn a_revoked_family_answers_nothing_even_inside_the_grace_time() {
        let first = family();
        let mut second = first.rotated(Nonce([2; 16]), at(100), Duration::from_secs(500));
        second.status = FamilyStatus::Revoked(RevocationReason::Replay);
        for token in [first.current_token(), second.current_token()] {
            assert_eq!(second.judge(&token, at(101), GRACE), Verdict::Ended);
        }
    }

    #[test]
    fn a_family_is_alive_until_the_earlier_of_its_expiries() {
        let family = family();
        assert_eq!(family.ends_at(), at(500));
        assert!(family.is_active(at(499)) && !family.is_active(at(500)));
        let family = RefreshFamily {
            absolute_expires_at: at(400),
            ..family
        };
        assert!(family.is_active(at(399)) && !family.is_active(at(400)));
        let closing = Closure {
            generation: 1,
            at: at(0),
        };
        for status in [
            FamilyStatus::Closed(closing),
            FamilyStatus::Revoked(RevocationReason::Logout),
        ] {
            let ended = RefreshFamily {
                status,
                ..family.clone()
            };
            assert!(!ended.is_active(at(0)));
        }
    }

    #[test]
    fn only_a_logout_ends_a_closed_family() {
        let closing = Closure {
            generation: 1,
            at: at(0),
        };
        let closed = RefreshFamily {
            status: FamilyStatus::Closed(closing),
            ..family()
        };
        for reason in RevocationReason::ALL {
            assert!(family().can_be_revoked(reason));
            assert_eq!(closed.can_be_revoked(reason), reason == RevocationReason::Logout);
            let revoked = RefreshFamily {
                status: FamilyStatus::Revoked(RevocationReason::Lock),
                ..family()
            };
            assert!(!revoked.can_be_revoked(reason));
        }
    }

    #[test]
    fn a_branch_descends_from_its_parent_and_all_before_it_up_to_a_limit() {
        let id = |number| FamilyId::from_random([number; 12]);
        let mut family = family();
        assert_eq!(family.ancestors_of_a_branch(), Ok(vec![id(1)]));
        family.origin.ancestors = vec![id(2), id(3)];
        assert_eq!(family.ancestors_of_a_branch(), Ok(vec![id(2), id(3), id(1)]));
        family.origin.ancestors = vec![id(2); MAX_ANCESTORS - 1];
        assert_eq!(family.ancestors_of_a_branch().map(|all| all.len()), Ok(MAX_ANCESTORS));
        family.origin.ancestors.push(id(3));
        assert_eq!(family.ancestors_of_a_branch(), Err(TooManyAncestors));
    }

    #[test]
    fn rotation_never_outlives_the_absolute_expiry() {
        let rotated = family().rotated(Nonce([2; 16]), at(900), Duration::from_secs(500));
        assert_eq!(rotated.idle_expires_at, at(1000));
    }
}
