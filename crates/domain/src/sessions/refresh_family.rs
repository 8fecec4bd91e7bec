use std::time::Duration;

use subtle::ConstantTimeEq as _;

use super::{Nonce, RefreshToken};
use crate::group::AssertedGroups;
use crate::ids::{BusinessId, ClientId, FamilyId, UserId};
use crate::time::{self, Timestamp};

/// The reason of a revocation, stored with the family and published in its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationReason {
    /// A spent token was presented outside the grace time: refresh token reuse (RFC 9700 section 4.14.2).
    Replay,
    /// The user ended the session (RFC 7009).
    Logout,
    /// A request found the user's credential locked, or locked since the family was started.
    Lock,
    /// A request found that a session which this one descends from is revoked.
    Ancestor,
    /// A request found that all sessions of the user were ended since the family was started.
    SessionsEnded,
    /// The client started another session of the user and had as many as it may have: this one was renewed least
    /// recently.
    Limit,
}

impl RevocationReason {
    /// All reasons, as [`parse`](Self::parse) knows them.
    pub const ALL: [Self; 6] = [
        Self::Replay,
        Self::Logout,
        Self::Lock,
        Self::Ancestor,
        Self::SessionsEnded,
        Self::Limit,
    ];

    /// Parses the name that the store uses; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// Returns the name that the store and the event use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Logout => "logout",
            Self::Lock => "lock",
            Self::Ancestor => "ancestor",
            Self::SessionsEnded => "sessions-ended",
            Self::Limit => "limit",
        }
    }

    /// Returns whether a revocation for this reason also ends a closed family. Only a logout does: the branches of a
    /// closed family stay active, and the logout must end them too. The other reasons need not. A lock or an end of
    /// all sessions ends each branch by its epoch or version, every branch checks its ancestors itself, and a closed family has no replay.
    pub const fn ends_closed_families(self) -> bool {
        matches!(self, Self::Logout)
    }
}

/// The closing of a family by a renewal with `remember-me=false`. The token that closed it still gets an access token
/// inside the grace time, so that a lost answer can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closure {
    /// The generation of the token that closed the family: the current one, or the one before it inside the grace time.
    pub generation: u64,
    /// The start of the grace time.
    pub at: Timestamp,
}

/// The stored state of a family. Expiry is not part of it: every check compares times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyStatus {
    /// The family can be renewed until it expires.
    Active,
    /// Its own user closed it with `remember-me=false`. There is no event, and its branches stay active until a logout.
    Closed(Closure),
    /// The family was revoked, with an event. Its branches are no longer active either. This status is final.
    Revoked(RevocationReason),
}

/// The maximum number of sessions that one session may descend from. Every active check and every issue of a token
/// reads all of them.
pub const MAX_ANCESTORS: usize = 8;

/// The session descends from [`MAX_ANCESTORS`] others, so it cannot be branched (412, code 22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session descends from {MAX_ANCESTORS} others already, so it cannot be branched")]
pub struct TooManyAncestors;

/// The circumstances of a session's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The subject of all tokens of the session.
    pub user: UserId,
    /// The only client that may renew the session.
    pub client: ClientId,
    /// The business that the session acts for.
    pub business: Option<BusinessId>,
    /// Groups that the SAML login asserted.
    pub groups: Vec<String>,
    /// The sessions that it descends from, the oldest first, at most [`MAX_ANCESTORS`]; empty for a session that is not
    /// a branch. The revocation of any of them ends it.
    pub ancestors: Vec<FamilyId>,
    /// The credential epoch that the session was started under. Any later lock ends the session.
    pub epoch: u64,
    /// The sessions version that the session was started under, or with which it was stamped when an end of all sessions
    /// kept it. It is the only part that changes.
    pub sessions_version: u64,
    /// The subset of `groups` that may give administrator roles: the asserting client is registered for them by name.
    pub administrative_groups: Vec<String>,
}

impl Origin {
    /// Returns the groups in the form from which roles are computed.
    pub fn asserted_groups(&self) -> AssertedGroups {
        AssertedGroups {
            names: self.groups.clone(),
            administrative: self.administrative_groups.clone(),
        }
    }
}

/// A refresh token family: one session, and the chain of refresh tokens that rotation creates from the first. One of
/// them is current (RFC 9700 section 4.14.2). An aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshFamily {
    /// The session id (`sid`).
    pub id: FamilyId,
    /// User, client and everything else that was fixed at the start.
    pub origin: Origin,
    /// The number of the current token, counted from 1.
    pub generation: u64,
    /// The nonce of the current token. Family id, generation, nonce and MAC key determine the wire form.
    pub nonce: Nonce,
    /// The nonce of the token before the current one; `None` in the first generation.
    pub previous_nonce: Option<Nonce>,
    /// The time of its start; unknown for families that were stored before it was recorded.
    pub started_at: Option<Timestamp>,
    /// The time of the last rotation, at which the grace time of the previous token begins.
    pub rotated_at: Timestamp,
    /// The first instant at which the family is expired, regardless of renewals.
    pub absolute_expires_at: Timestamp,
    /// The first instant at which the family is expired unless it is renewed before; never after the absolute expiry.
    pub idle_expires_at: Timestamp,
    /// Active, closed or revoked. Expiry is not part of the status.
    pub status: FamilyStatus,
}

/// A presented refresh token and its caller, which the condition of a rotation compares with the family.
#[derive(Debug, Clone)]
pub struct PresentedToken {
    /// Its MAC has been verified.
    pub token: RefreshToken,
    /// The client that presents the token; it must be the client of the family's origin.
    pub client: ClientId,
    /// The user of the session; it must be the user of the family's origin.
    pub user: UserId,
}

/// The judgement of a family on a presented token (`docs/protocols.md` "Rotation").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The current token of an active family: rotate.
    Current,
    /// The token before the current one, inside the grace time: a repetition after a lost answer, or one of several
    /// parallel renewals. It gets the same successor again, and nothing is written.
    Superseded,
    /// The token that closed the family, inside the grace time: it gets an access token again.
    ClosedByThisToken,
    /// The family is expired, closed or revoked, or the token was never issued: 401.
    Ended,
    /// A spent token outside the grace time, which is refresh token reuse (RFC 9700 section 4.14.2): the family must be
    /// revoked.
    Replayed,
}

impl RefreshFamily {
    /// Returns the ancestors of a new branch of this session: the ancestors of this session, then this session.
    ///
    /// # Errors
    ///
    /// Returns [`TooManyAncestors`] when that would be more than [`MAX_ANCESTORS`].
    pub fn ancestors_of_a_branch(&self) -> Result<Vec<FamilyId>, TooManyAncestors> {
        if self.origin.ancestors.len() >= MAX_ANCESTORS {
            return Err(TooManyAncestors);
        }
        let own = self.origin.ancestors.iter().cloned();
        Ok(own.chain([self.id.clone()]).collect())
    }

    /// Returns the first instant at which the family is expired unless it is renewed before: the earlier of its two
    /// expiries.
    pub fn ends_at(&self) -> Timestamp {
        self.absolute_expires_at.min(self.idle_expires_at)
    }

    /// Returns whether the family was closed or revoked, so that it never becomes active again. Expiry is not
    /// considered.
    pub fn is_closed_or_revoked(&self) -> bool {
        self.status != FamilyStatus::Active
    }

    /// Returns whether the family can be renewed at `now`, as far as its own state decides. Ancestors and lock status
    /// are checked separately.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.status == FamilyStatus::Active && now < self.ends_at()
    }

    /// Returns whether a revocation for `reason` would change the family.
    pub fn can_be_revoked(&self, reason: RevocationReason) -> bool {
        match self.status {
            FamilyStatus::Active => true,
            FamilyStatus::Closed(_) => reason.ends_closed_families(),
            FamilyStatus::Revoked(_) => false,
        }
    }

    /// Returns the current token. After a rotation it is the same for every caller, so a repeated renewal gets it
    /// again.
    pub fn current_token(&self) -> RefreshToken {
        RefreshToken {
            family: self.id.clone(),
            generation: self.generation,
            nonce: self.nonce,
        }
    }

    /// Judges a token whose MAC has been verified. This rule detects refresh token reuse (RFC 9700 section 4.14.2): the
    /// verdict is [`Replayed`](Verdict::Replayed). The use case `renew_token` acts on it and revokes the family.
    ///
    /// Only the immediate predecessor of the current token has a grace time: less than `grace` must have passed since
    /// the rotation. If `grace` is zero, every spent token is a replay.
    ///
    /// - Parallel renewals: A and B present T1. A's update matches and creates T2. B's update matches nothing. B judges
    ///   T1 against the family as it is now, finds it superseded, and gets T2 as well.
    /// - Replay: A rotates T1 to T2 and T2 to T3. B presents a copied T1, which is neither current nor previous. Either
    ///   A or B is a thief, so the family is revoked, including T3.
    ///
    /// ```
    /// # use domain::{ids::{ClientId, FamilyId, UserId}, time::Timestamp};
    /// # use domain::sessions::{FamilyStatus, Nonce, Origin, RefreshFamily};
    /// use std::time::Duration;
    /// use domain::sessions::Verdict;
    ///
    /// # let at = |second| Timestamp::from_second(second).unwrap();
    /// # let family = RefreshFamily {
    /// #     id: FamilyId::from_random([7; 12]),
    /// #     origin: Origin {
    /// #         user: UserId::parse("ana").unwrap(),
    /// #         client: ClientId::parse("portal").unwrap(),
    /// #         business: None,
    /// #         groups: Vec::new(),
    /// #         ancestors: Vec::new(),
    /// #         epoch: 0,
    /// #         sessions_version: 0,
    /// #         administrative_groups: Vec::new(),
    /// #     },
    /// #     generation: 1,
    /// #     nonce: Nonce([1; 16]),
    /// #     previous_nonce: None,
    /// #     started_at: Some(at(0)),
    /// #     rotated_at: at(0),
    /// #     absolute_expires_at: at(10_000),
    /// #     idle_expires_at: at(1_000),
    /// #     status: FamilyStatus::Active,
    /// # };
    /// let (grace, idle) = (Duration::from_secs(30), Duration::from_secs(1_000));
    /// let first = family.current_token();
    /// assert_eq!(family.judge(&first, at(100), grace), Verdict::Current);
    ///
    /// let rotated = family.rotate(Nonce([2; 16]), at(100), idle);
    /// assert_eq!(rotated.judge(&first, at(129), grace), Verdict::Superseded);
    /// assert_eq!(rotated.judge(&first, at(130), grace), Verdict::Replayed);
    /// ```
    pub fn judge(&self, token: &RefreshToken, now: Timestamp, grace: Duration) -> Verdict {
        let is_expired = now >= self.ends_at();
        let is_current = token.generation == self.generation && is_same(token.nonce, Some(self.nonce));
        let is_previous =
            token.generation.checked_add(1) == Some(self.generation) && is_same(token.nonce, self.previous_nonce);
        match self.status {
            FamilyStatus::Revoked(_) => Verdict::Ended,
            FamilyStatus::Closed(closure) => {
                let has_closed_it = token.generation == closure.generation && (is_current || is_previous);
                if has_closed_it && !is_expired && time::is_within(grace, closure.at, now) {
                    Verdict::ClosedByThisToken
                } else {
                    Verdict::Ended
                }
            }
            FamilyStatus::Active if is_current => {
                if is_expired {
                    Verdict::Ended
                } else {
                    Verdict::Current
                }
            }
            FamilyStatus::Active if is_previous && time::is_within(grace, self.rotated_at, now) => {
                if is_expired {
                    Verdict::Ended
                } else {
                    Verdict::Superseded
                }
            }
            FamilyStatus::Active => {
                // Any other token of the current or a higher generation was never issued from this state, so it is not
                // a copy of a spent one.
                if token.generation < self.generation {
                    Verdict::Replayed
                } else {
                    Verdict::Ended
                }
            }
        }
    }

    /// Returns the family one generation later, with `nonce` for its current token. The idle expiry moves to
    /// `idle_lifetime` after `now`, but never beyond the absolute expiry.
    #[must_use]
    pub fn rotate(&self, nonce: Nonce, now: Timestamp, idle_lifetime: Duration) -> Self {
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

fn is_same(presented: Nonce, stored: Option<Nonce>) -> bool {
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
                sessions_version: 0,
                administrative_groups: Vec::new(),
            },
            generation: 1,
            nonce: Nonce([1; 16]),
            previous_nonce: None,
            started_at: Some(at(0)),
            rotated_at: at(0),
            absolute_expires_at: at(1000),
            idle_expires_at: at(500),
            status: FamilyStatus::Active,
        }
    }

    #[test]
    fn the_current_token_is_current_until_the_instant_of_expiry() {
        let family = family();
        let token = family.current_token();
        assert_eq!(family.judge(&token, at(499), GRACE), Verdict::Current);
        assert_eq!(family.judge(&token, at(500), GRACE), Verdict::Ended);
    }

    #[test]
    fn only_the_immediate_predecessor_has_a_grace_time() {
        let first = family();
        let second = first.rotate(Nonce([2; 16]), at(100), Duration::from_secs(500));
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
        let third = second.rotate(Nonce([3; 16]), at(101), Duration::from_secs(500));
        assert_eq!(third.judge(&first.current_token(), at(101), GRACE), Verdict::Replayed);
        assert_eq!(
            third.judge(&second.current_token(), at(101), GRACE),
            Verdict::Superseded
        );
    }

    #[test]
    fn a_closed_family_accepts_only_the_token_that_closed_it() {
        let first = family();
        let mut second = first.rotate(Nonce([2; 16]), at(100), Duration::from_secs(500));
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
    fn a_revoked_family_rejects_tokens_inside_the_grace_time() {
        let first = family();
        let mut second = first.rotate(Nonce([2; 16]), at(100), Duration::from_secs(500));
        second.status = FamilyStatus::Revoked(RevocationReason::Replay);
        for token in [first.current_token(), second.current_token()] {
            assert_eq!(second.judge(&token, at(101), GRACE), Verdict::Ended);
        }
    }

    #[test]
    fn a_family_is_active_until_the_earlier_expiry() {
        let family = family();
        assert_eq!(family.ends_at(), at(500));
        assert!(family.is_active(at(499)) && !family.is_active(at(500)));
        let family = RefreshFamily {
            absolute_expires_at: at(400),
            ..family
        };
        assert!(family.is_active(at(399)) && !family.is_active(at(400)));
        let closure = Closure {
            generation: 1,
            at: at(0),
        };
        for status in [
            FamilyStatus::Closed(closure),
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
        let closure = Closure {
            generation: 1,
            at: at(0),
        };
        let closed = RefreshFamily {
            status: FamilyStatus::Closed(closure),
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
    fn a_branch_has_at_most_eight_ancestors() {
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
        let rotated = family().rotate(Nonce([2; 16]), at(900), Duration::from_secs(500));
        assert_eq!(rotated.idle_expires_at, at(1000));
    }
}
