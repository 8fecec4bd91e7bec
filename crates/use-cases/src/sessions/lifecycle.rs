use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use domain::caller::{Call, Cause};
use domain::event::EventContext;
use domain::ids::FamilyId;
use domain::sessions::{
    FamilyStatus, Nonce, Origin, PresentedToken, RefreshFamily, RefreshToken, RevocationReason, SignInStatus, Verdict,
    events,
};
use domain::time::{self, Timestamp};
use ports::sessions::{ActiveFamilies, CloseOutcome, RefreshFamilies, RefreshTokenCodec, RotationOutcome};
use ports::{Clock, Randomness, StoreError};

use super::session_revoker::SessionRevoker;
use super::session_start_limiter::SessionStartLimiter;
use super::{SessionPorts, SessionSettings, TokenError};

/// The maximum number of sessions that one start ends. There is one too many, except after a lowered limit or starts
/// whose process died; later starts end the rest.
const MAX_ENDED_AT_A_START: usize = 16;

/// Reads and writes refresh token families, with their lifetimes, events and wire form.
pub(crate) struct Sessions {
    families: Arc<dyn RefreshFamilies>,
    refresh_token_codec: Arc<dyn RefreshTokenCodec>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    revoker: SessionRevoker,
    absolute_lifetime: Duration,
    idle_lifetime: Duration,
    grace: Duration,
    redemption_grace: Duration,
    start_limiter: SessionStartLimiter,
    /// 0 means no limit.
    limit_per_client: usize,
}

impl Sessions {
    pub(crate) fn new(ports: &SessionPorts, settings: &SessionSettings) -> Self {
        Self {
            families: ports.stores.refresh_families.clone(),
            refresh_token_codec: ports.refresh_token_codec.clone(),
            clock: ports.runtime.clock.clone(),
            randomness: ports.runtime.randomness.clone(),
            revoker: SessionRevoker::new(&ports.stores, &ports.runtime),
            absolute_lifetime: settings.refresh_absolute_lifetime,
            idle_lifetime: settings.refresh_idle_lifetime,
            grace: settings.refresh_grace,
            redemption_grace: settings.redemption_grace,
            start_limiter: SessionStartLimiter::new(settings.new_sessions_per_minute),
            limit_per_client: usize::try_from(settings.sessions_per_client).unwrap_or(usize::MAX),
        }
    }

    pub(crate) fn grace(&self) -> Duration {
        self.grace
    }

    pub(crate) fn redemption_grace(&self) -> Duration {
        self.redemption_grace
    }

    /// Returns the first refresh token of a session that is not stored yet, with the id of the session.
    pub(crate) fn first_refresh_token(&self) -> RefreshToken {
        RefreshToken {
            family: FamilyId::from_random(self.randomness.object_id()),
            generation: 1,
            nonce: Nonce(self.randomness.nonce()),
        }
    }

    /// Returns the family that a verified token names, in any status. Absence is read linearizably before it is
    /// returned.
    pub(crate) async fn find(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.confirm(self.families.find(id).await?, id, |_| true).await
    }

    /// Returns the family. The read sees every write that was acknowledged to any process before it began.
    pub(crate) async fn read_linearizable(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.families.read_linearizable(id).await
    }

    /// Returns the family of a verified token. An uncertain result is read again as in
    /// [`confirm_for_token`](Self::confirm_for_token).
    pub(crate) async fn find_for_token(
        &self,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Option<RefreshFamily>, StoreError> {
        let found = self.families.find(&token.family).await?;
        self.confirm_for_token(found, token, now).await
    }

    /// Returns the family that was found, unless the verdict on the token may come from an old read: the family is
    /// absent, or active but expired, or its generation is behind that of the token. Such a family is read again,
    /// linearizably. A closed or revoked family never becomes active again and needs no second read.
    pub(crate) async fn confirm_for_token(
        &self,
        found: Option<RefreshFamily>,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Option<RefreshFamily>, StoreError> {
        let is_certain = |family: &RefreshFamily| {
            family.is_closed_or_revoked() || family.judge(token, now, self.grace) != Verdict::Ended
        };
        self.confirm(found, &token.family, is_certain).await
    }

    /// Returns the family that was found if it is certain, and reads it again, linearizably, otherwise: right after a
    /// failover a majority read may be behind an acknowledged write (docs/protocols.md "Linearizable reads").
    ///
    /// The id must come from a token with a verified MAC or signature. Otherwise a caller could cause these expensive
    /// reads with invented ids.
    async fn confirm(
        &self,
        found: Option<RefreshFamily>,
        id: &FamilyId,
        is_certain: impl Fn(&RefreshFamily) -> bool,
    ) -> Result<Option<RefreshFamily>, StoreError> {
        match found {
            Some(family) if is_certain(&family) => Ok(Some(family)),
            Some(_) | None => self.read_linearizable(id).await,
        }
    }

    /// Counts a session that is about to start. Called before the write, so that a rejected start does not spend a
    /// validation token.
    pub(crate) fn take_start(&self, id: &FamilyId, origin: &Origin) -> Result<(), TokenError> {
        self.start_limiter
            .take((&origin.client, &origin.user), id, self.clock.now())
            .map_err(|wait| TokenError::TooManySessions { wait })
    }

    /// Starts the family of its first refresh token, and ends the least recently renewed ones beyond the limit. A branch
    /// expires no later than `ends_at`, the end of its parent. Returns whether this call inserted the family: `false` if
    /// an earlier attempt of the same call did, or another use of the same validation token.
    pub(crate) async fn start(
        &self,
        call: &Call,
        first: &RefreshToken,
        origin: Origin,
        ends_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let absolute_expires_at = ends_at.unwrap_or_else(|| time::after(now, self.absolute_lifetime));
        let family = RefreshFamily {
            id: first.family.clone(),
            origin,
            generation: first.generation,
            nonce: first.nonce,
            previous_nonce: None,
            started_at: Some(now),
            rotated_at: now,
            absolute_expires_at,
            idle_expires_at: time::after(now, self.idle_lifetime).min(absolute_expires_at),
            status: FamilyStatus::Active,
        };
        let event = events::start_event(self.event_context(call, now), &family);
        let is_new = self.families.start(&family, event).await?;
        self.end_least_recent(call, &family).await?;
        Ok(is_new)
    }

    /// Revokes the least recently renewed sessions of the user that are more than the client may have. It follows the
    /// start, so that a start that fails ends no session, and parallel starts find the same sessions to end. If the
    /// process dies in between, the next start ends them.
    async fn end_least_recent(&self, call: &Call, started: &RefreshFamily) -> Result<(), StoreError> {
        let Some(kept) = NonZero::new(self.limit_per_client) else {
            return Ok(());
        };
        let origin = &started.origin;
        let active = ActiveFamilies {
            user: origin.user.clone(),
            epoch: origin.epoch,
            sign_in: SignInStatus {
                sessions_version: origin.sessions_version,
                kept_session: None,
            },
            at: started.rotated_at,
        };
        let found = self
            .families
            .find_least_recent(&active, &origin.client, kept.get(), MAX_ENDED_AT_A_START);
        for family in found.await? {
            if family.id != started.id {
                self.revoke_family(call, &family, RevocationReason::Limit).await?;
            }
        }
        Ok(())
    }

    /// Stamps a kept session with the sessions version that kept it.
    pub(crate) async fn stamp(&self, id: &FamilyId, sessions_version: u64) -> Result<(), StoreError> {
        self.families.stamp(id, sessions_version).await
    }

    /// Returns the family as a rotation at `now` would leave it, with a fresh nonce. Writes nothing.
    pub(crate) fn successor(&self, family: &RefreshFamily, now: Timestamp) -> RefreshFamily {
        family.rotate(Nonce(self.randomness.nonce()), now, self.idle_lifetime)
    }

    /// Rotates the family of the presented token to `next`, which [`successor`](Self::successor) returned.
    pub(crate) async fn rotate(
        &self,
        presented: &PresentedToken,
        next: &RefreshFamily,
    ) -> Result<RotationOutcome, StoreError> {
        self.families
            .rotate(presented, next.nonce, next.rotated_at, self.idle_lifetime)
            .await
    }

    /// Closes the family of the presented token. Pushes no event.
    pub(crate) async fn close(&self, presented: &PresentedToken, now: Timestamp) -> Result<CloseOutcome, StoreError> {
        self.families.close(presented, now, self.grace).await
    }

    /// Revokes a family by its id, as [`revoke_family`](Self::revoke_family) does. An absent family is not an error.
    pub(crate) async fn revoke(&self, call: &Call, id: &FamilyId, reason: RevocationReason) -> Result<(), StoreError> {
        match self.find(id).await? {
            Some(family) => self.revoke_family(call, &family, reason).await,
            None => Ok(()),
        }
    }

    /// Revokes a family, as [`SessionRevoker::revoke`] does.
    pub(crate) async fn revoke_family(
        &self,
        call: &Call,
        family: &RefreshFamily,
        reason: RevocationReason,
    ) -> Result<(), StoreError> {
        self.revoker.revoke(Cause::Call(call), family, reason).await
    }

    fn event_context(&self, call: &Call, now: Timestamp) -> EventContext {
        call.event(self.randomness.event_id(now), now)
    }

    /// Returns the content of a refresh token if its MAC is valid, whatever the state of its family; `None` for any
    /// other text.
    pub(crate) fn verify_refresh_token(&self, text: &str) -> Option<RefreshToken> {
        self.refresh_token_codec.verify(text)
    }

    /// Returns the wire form of a family's current token.
    pub(crate) fn encode_current_token(&self, family: &RefreshFamily) -> String {
        self.encode(&family.current_token())
    }

    /// Returns the wire form of a token.
    pub(crate) fn encode(&self, token: &RefreshToken) -> String {
        self.refresh_token_codec.encode(token)
    }
}
