use std::sync::Arc;

use domain::caller::Cause;
use domain::ids::{FamilyId, UserId};
use domain::sessions::{EndSessionsCommand, SignIn, events};
use ports::{Clock, Identities, Randomness, Runtime, Stores, VersionedStore};

use super::session_error::SessionError;
use crate::UseCaseError;
use crate::saving::{MAX_SAVE_ATTEMPTS, is_saved};

/// Ends all sessions of a user by one write, which reads no session (docs/protocols.md "Ending all sessions").
pub struct EndSessions {
    identities: Arc<dyn Identities>,
    sign_ins: Arc<dyn VersionedStore<SignIn>>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl EndSessions {
    pub fn new(stores: &Stores, runtime: &Runtime) -> Self {
        Self {
            identities: stores.identities.clone(),
            sign_ins: stores.sign_ins.clone(),
            clock: runtime.clock.clone(),
            randomness: runtime.randomness.clone(),
        }
    }

    /// Returns once every session and token that was issued before the call has ended. `kept_session` is the session
    /// that stays active, with the version of the token that names it; it ends as well if an earlier end did not keep
    /// it. A repeated call ends the sessions that were started in between.
    #[tracing::instrument(level = "debug", name = "end_sessions", skip_all, fields(user = user.as_str()))]
    pub async fn run(
        &self,
        cause: Cause<'_>,
        user: &UserId,
        kept_session: Option<(FamilyId, u64)>,
    ) -> Result<(), SessionError> {
        if self.identities.find(user).await?.is_none() {
            return Err(SessionError::UserNotFound);
        }
        let now = self.clock.now();
        let command = EndSessionsCommand {
            user: user.clone(),
            kept_session,
            context: cause.event(self.randomness.event_id(now), now),
        };
        for _ in 0..MAX_SAVE_ATTEMPTS {
            let found = self.sign_ins.read_linearizable(user).await?;
            let found = found.unwrap_or_else(|| SignIn::empty(user.clone()));
            let ended = found.end_sessions(&command);
            let event = events::sessions_ended_event(&ended, &command);
            if is_saved(self.sign_ins.save_if_version(&ended, vec![event]).await?)? {
                return Ok(());
            }
        }
        Err(UseCaseError::Contended.into())
    }
}
