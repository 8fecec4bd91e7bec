use std::sync::Arc;
use std::time::Duration;

use domain::caller::Call;
use domain::event::EventContext;
use domain::ids::FamilyId;
use domain::time::{self, Timestamp};
use domain::tokens::{
    FamilyStatus, Nonce, Origin, PresentedToken, RefreshFamily, RefreshToken, RevocationReason, Verdict, events,
};
use ports::tokens::{CloseOutcome, RefreshFamilies, RefreshTokenCodec, RotationOutcome};
use ports::{AuditOutcome, AuditRecord, AuditTrail, Clock, Randomness, StoreError};

use super::session_start_limiter::SessionStartLimiter;
use super::{TokenError, TokensPorts, TokensSettings};

/// Refresh families with their lifetimes, events and wire form.
pub(super) struct Sessions {
    families: Arc<dyn RefreshFamilies>,
    refresh_token_codec: Arc<dyn RefreshTokenCodec>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    audit: Arc<dyn AuditTrail>,
    absolute_lifetime: Duration,
    idle_lifetime: Duration,
    grace: Duration,
    start_limiter: SessionStartLimiter,
}

impl Sessions {
    pub(super) fn new(ports: &TokensPorts, settings: &TokensSettings) -> Self {
        Self {
            families: ports.refresh_families.clone(),
            refresh_token_codec: ports.refresh_token_codec.clone(),
            clock: ports.clock.clone(),
            randomness: ports.randomness.clone(),
            audit: ports.audit.clone(),
            absolute_lifetime: settings.refresh_absolute_lifetime,
            idle_lifetime: settings.refresh_idle_lifetime,
            grace: settings.refresh_grace,
            start_limiter: SessionStartLimiter::at_most(settings.new_sessions_per_minute),
        }
    }

    pub(super) fn grace(&self) -> Duration {
        self.grace
    }

    pub(super) fn new_id(&self) -> FamilyId {
        FamilyId::from_random(self.randomness.object_id())
    }

    async fn find(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.families.find(id).await
    }

    /// Finds the family that a token of ours names, whatever became of it; that there is none is certain.
    pub(super) async fn find_named(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.confirm(self.find(id).await?, id, |_| true).await
    }

    /// The session as nothing that was acknowledged before can contradict it.
    pub(super) async fn look(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.families.read_linearizable(id).await
    }

    /// Finds the family of a token, as certain as [`Sessions::confirmed_for`] makes it.
    pub(super) async fn find_for(
        &self,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Option<RefreshFamily>, StoreError> {
        let found = self.find(&token.family).await?;
        self.confirm_for(found, token, now).await
    }

    /// Returns what was found of a token's family, or looks again: an active family that has nothing for the token has
    /// expired, or has not come to the token's generation, and either may be because the read was behind.
    pub(super) async fn confirm_for(
        &self,
        found: Option<RefreshFamily>,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Option<RefreshFamily>, StoreError> {
        let is_certain =
            |family: &RefreshFamily| family.has_ended() || family.judge(token, now, self.grace) != Verdict::Ended;
        self.confirm(found, &token.family, is_certain).await
    }

    /// Returns what was found when it is certain. Otherwise looks once more before an answer is built on it: right after a
    /// failover a majority read may be behind a write that was acknowledged. Only for ids out of tokens that we made: nobody
    /// makes us look by ids of their own choice.
    async fn confirm(
        &self,
        found: Option<RefreshFamily>,
        id: &FamilyId,
        is_certain: impl Fn(&RefreshFamily) -> bool,
    ) -> Result<Option<RefreshFamily>, StoreError> {
        match found {
            Some(family) if is_certain(&family) => Ok(Some(family)),
            Some(_) | None => self.look(id).await,
        }
    }

    /// Counts a session that is about to start. Asked before the write, so that what is refused spends nothing.
    pub(super) fn take_start(&self, origin: &Origin) -> Result<(), TokenError> {
        let admitted = self.start_limiter.take(&origin.client, &origin.user, self.clock.now());
        admitted.map_err(|wait| TokenError::TooManySessions { wait })
    }

    /// Starts a family; one made from another session ends with it at `ends_at`. Also tells whether this call inserted it.
    pub(super) async fn start(
        &self,
        call: &Call,
        id: FamilyId,
        origin: Origin,
        ends_at: Option<Timestamp>,
    ) -> Result<(RefreshFamily, bool), StoreError> {
        let now = self.clock.now();
        let absolute_expires_at = ends_at.unwrap_or_else(|| time::after(now, self.absolute_lifetime));
        let family = RefreshFamily {
            id,
            origin,
            generation: 1,
            nonce: Nonce(self.randomness.nonce()),
            previous_nonce: None,
            rotated_at: now,
            absolute_expires_at,
            idle_expires_at: time::after(now, self.idle_lifetime).min(absolute_expires_at),
            status: FamilyStatus::Active,
        };
        let event = events::started(self.event(call, now), &family);
        let is_new = self.families.start(&family, event).await?;
        Ok((family, is_new))
    }

    /// What a family is after a rotation at `now`, with a nonce of its own.
    pub(super) fn successor(&self, family: &RefreshFamily, now: Timestamp) -> RefreshFamily {
        family.rotated(Nonce(self.randomness.nonce()), now, self.idle_lifetime)
    }

    /// Makes the family of the presented token the `next` one.
    pub(super) async fn rotate(
        &self,
        presented: &PresentedToken,
        next: &RefreshFamily,
    ) -> Result<RotationOutcome, StoreError> {
        self.families
            .rotate(presented, next.nonce, next.rotated_at, self.idle_lifetime)
            .await
    }

    pub(super) async fn close(&self, presented: &PresentedToken, now: Timestamp) -> Result<CloseOutcome, StoreError> {
        self.families.close(presented, now, self.grace).await
    }

    /// Ends a family, as [`Sessions::end`] does one that was found.
    pub(super) async fn revoke(&self, call: &Call, id: &FamilyId, reason: RevocationReason) -> Result<(), StoreError> {
        match self.find_named(id).await? {
            Some(family) => self.end(call, &family, reason).await,
            None => Ok(()),
        }
    }

    /// Ends a family, with its event when there was something to end. The event names the caller that met the family.
    pub(super) async fn end(
        &self,
        call: &Call,
        family: &RefreshFamily,
        reason: RevocationReason,
    ) -> Result<(), StoreError> {
        if !family.can_be_revoked(reason) {
            return Ok(());
        }
        let now = self.clock.now();
        let event = events::revoked(self.event(call, now), family, reason);
        if self.families.revoke(&family.id, reason, event).await? {
            let ended = AuditRecord::new(now, "endSession", AuditOutcome::Done).in_call(call);
            self.audit.record(&AuditRecord {
                object: vec![
                    ("user", family.origin.user.to_string()),
                    ("session", family.id.to_string()),
                ],
                reason: Some(reason.as_str().to_owned()),
                ..ended
            });
        }
        Ok(())
    }

    fn event(&self, call: &Call, now: Timestamp) -> EventContext {
        call.event(self.randomness.event_id(now), now)
    }

    /// The content of a refresh token of ours, whatever became of it since; `None` for any other text.
    pub(super) fn verify_refresh_token(&self, text: &str) -> Option<RefreshToken> {
        self.refresh_token_codec.verify(text)
    }

    /// The wire form of a family's current token.
    pub(super) fn current_token(&self, family: &RefreshFamily) -> String {
        self.refresh_token_codec.encode(&family.current_token())
    }
}
