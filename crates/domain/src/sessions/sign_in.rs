use crate::event::EventContext;
use crate::ids::{FamilyId, UserId};

/// The token or session was issued before all sessions of its user were ended: 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all sessions of the user were ended after this was issued")]
pub struct SessionsEnded;

/// The number that ends all sessions of a user at once, and the session that the last end kept. A user whose sessions
/// were never ended together has the default: version 0, no kept session.
///
/// Tokens, refresh token families and validation tokens carry the sessions version that they were issued under. So one
/// write ends everything that was issued before it, without a visit to any session.
///
/// ```
/// use domain::ids::FamilyId;
/// use domain::sessions::{SessionsEnded, SignInStatus};
///
/// let (kept, other) = (FamilyId::from_random([1; 12]), FamilyId::from_random([2; 12]));
/// let issued_under = SignInStatus::default().sessions_version;
/// let status = SignInStatus { sessions_version: 1, kept_session: Some(kept.clone()) };
/// assert_eq!(status.judge(issued_under, Some(&other)), Err(SessionsEnded));
/// assert_eq!(status.judge(issued_under, Some(&kept)), Ok(1));
/// assert_eq!(status.judge(1, Some(&other)), Ok(1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SignInStatus {
    /// The number of times that all sessions were ended.
    pub sessions_version: u64,
    /// The session that the last end kept, if any. It passes under any version until the next end.
    pub kept_session: Option<FamilyId>,
}

impl SignInStatus {
    /// Judges a token or family of `session` that was issued under `sessions_version`. Returns the version under which
    /// it is active: the present one, which differs from its own only for the kept session.
    ///
    /// # Errors
    ///
    /// Returns [`SessionsEnded`] for any other version, unless `session` is the kept one.
    pub fn judge(&self, sessions_version: u64, session: Option<&FamilyId>) -> Result<u64, SessionsEnded> {
        let is_kept = session.is_some() && session == self.kept_session.as_ref();
        if sessions_version == self.sessions_version || is_kept {
            Ok(self.sessions_version)
        } else {
            Err(SessionsEnded)
        }
    }
}

/// A command to end all sessions of one user.
#[derive(Debug, Clone)]
pub struct EndSessionsCommand {
    /// The user whose sessions end.
    pub user: UserId,
    /// The session that stays active, and the version that it was last stamped with.
    pub kept_session: Option<(FamilyId, u64)>,
    /// The time and actor of the command, and the id of its event.
    pub context: EventContext,
}

/// The sign-in of a user, an aggregate: it decides which sessions are active. A user without a stored one has the version
/// 0 of the aggregate and of the sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The key of the aggregate.
    pub user: UserId,
    /// The version of the stored form, raised by every save; 0 while nothing is stored.
    pub version: u64,
    /// The part that tokens are compared with.
    pub status: SignInStatus,
}

impl SignIn {
    /// Returns the sign-in of a user whose sessions were never ended together.
    pub fn empty(user: UserId) -> Self {
        Self {
            user,
            version: 0,
            status: SignInStatus::default(),
        }
    }

    /// Ends all sessions: raises the sessions version by one. The session of the command is kept only if it is active
    /// under the present version, so an end never revives a session that an earlier one ended.
    #[must_use]
    pub fn end_sessions(&self, command: &EndSessionsCommand) -> Self {
        let is_active = |(session, version): &&(FamilyId, u64)| self.status.judge(*version, Some(session)).is_ok();
        let kept = command.kept_session.as_ref().filter(is_active);
        Self {
            user: self.user.clone(),
            version: self.version,
            status: SignInStatus {
                sessions_version: self.status.sessions_version + 1,
                kept_session: kept.map(|(session, _)| session.clone()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Actor;
    use crate::ids::EventId;
    use crate::time::Timestamp;

    fn session(n: u8) -> FamilyId {
        FamilyId::from_random([n; 12])
    }

    fn end(sign_in: &SignIn, kept_session: Option<(FamilyId, u64)>) -> SignIn {
        sign_in.end_sessions(&EndSessionsCommand {
            user: sign_in.user.clone(),
            kept_session,
            context: EventContext {
                id: EventId("e1".to_owned()),
                time: Timestamp::UNIX_EPOCH,
                by: Actor::operator("admin"),
                correlation_id: None,
            },
        })
    }

    fn never_ended() -> SignIn {
        SignIn::empty(UserId::parse("u1").unwrap())
    }

    #[test]
    fn an_end_raises_the_version_and_ends_every_other_version() {
        let ended = end(&never_ended(), None);
        assert_eq!(ended.status.sessions_version, 1);
        assert_eq!(ended.status.judge(0, Some(&session(1))), Err(SessionsEnded));
        assert_eq!(ended.status.judge(0, None), Err(SessionsEnded));
        assert_eq!(ended.status.judge(2, None), Err(SessionsEnded));
        assert_eq!(ended.status.judge(1, None), Ok(1));
        assert_eq!(end(&ended, None).status.sessions_version, 2);
    }

    #[test]
    fn the_kept_session_passes_until_the_next_end() {
        let kept = end(&never_ended(), Some((session(1), 0)));
        assert_eq!(kept.status.judge(0, Some(&session(1))), Ok(1));
        assert_eq!(kept.status.judge(0, None), Err(SessionsEnded));
        let again = end(&kept, Some((session(1), 0)));
        assert_eq!(again.status.judge(0, Some(&session(1))), Ok(2));
        let ended = end(&again, None);
        for version in 0..3 {
            assert_eq!(ended.status.judge(version, Some(&session(1))), Err(SessionsEnded));
        }
    }

    #[test]
    fn an_ended_session_is_never_kept() {
        let ended = end(&never_ended(), None);
        let kept = end(&ended, Some((session(1), 0)));
        assert_eq!(kept.status.kept_session, None);
        assert_eq!(kept.status.judge(0, Some(&session(1))), Err(SessionsEnded));
    }
}
