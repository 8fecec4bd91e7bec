use domain::caller::{Call, CallingUser};
use domain::sessions::{PresentedToken, RefreshFamily, RefreshToken, RevocationReason, Verdict};
use domain::time::Timestamp;
use ports::sessions::{CloseOutcome, RotationOutcome};
use ports::{MetricEvent, RenewalOutcome};

use super::{ExpectedSubject, RenewToken};
use crate::sessions::{
    AccessTokenDraft, IssuedTokens, Minted, RejectionReason, Subject, TokenError, UserSubject, WriteEffect, issue,
    reject,
};

/// One presentation of a refresh token. Its time is read once, so that every step judges the token at the same instant.
struct Attempt<'a> {
    call: &'a Call,
    presented: PresentedToken,
    subject: UserSubject,
    is_remembered: bool,
    now: Timestamp,
}

impl Attempt<'_> {
    fn reject(&self, reason: RejectionReason) -> TokenError {
        reject(self.call, Some(&self.presented.token.family), reason)
    }
}

impl RenewToken {
    /// Rotates the family of a refresh token whose MAC is verified, or closes it (docs/protocols.md "Rotation",
    /// "Closing").
    ///
    /// 1. Finds the family. If there is none: 401.
    /// 2. Checks that client and user own the family, and that the calling user's own token is active. If not: 401 or
    ///    412, and the token is not judged.
    /// 3. Judges the token ([`judge_or_revoke`](Self::judge_or_revoke)). The domain rule [`RefreshFamily::judge`] detects
    ///    a replay, which is refresh token reuse (RFC 9700 section 4.14.2); this use case then revokes the family.
    /// 4. Drafts the access token: reads everything that may still fail, before the write. If the draft fails, the lock
    ///    is checked first, because a lock is reported before other errors.
    /// 5. Writes: one conditional update, or none for a superseded token. If the update matches nothing, another
    ///    request was faster, and the token is judged again as in step 3.
    /// 6. Passes the mint gate, which reads the lock after the write, and signs last.
    ///
    /// Parallel renewals: A and B both present T1 and pass step 4. A's update matches and creates T2. B's update
    /// matches nothing and returns the family at generation 2, whose previous nonce is that of T1.
    ///
    /// - Within the grace time the verdict is superseded, so B gets T2 as well.
    /// - With a grace time of 0 the verdict is replayed, and the family is revoked.
    ///
    /// The winner renews again: A's update creates T2, and A renews T2 to T3 before B's update. B's update matches
    /// nothing and returns the family at generation 3, in which T1 is neither current nor previous. The verdict is
    /// replayed, and the family is revoked. If T3 is renewed before B's update as well, the outcome on MongoDB may be
    /// unknown: B then gets 503, and nothing is revoked (docs/adr/0012-batched-rotations.md).
    pub(super) async fn by_refresh_token(
        &self,
        call: &Call,
        token: RefreshToken,
        expected: &ExpectedSubject,
        is_remembered: bool,
    ) -> Result<(Minted<IssuedTokens>, RenewalOutcome), TokenError> {
        let now = self.clock.now();
        let found = self.sessions.find_for_token(&token, now).await?;
        let family = found.ok_or_else(|| reject(call, Some(&token.family), RejectionReason::Unknown))?;
        let origin = &family.origin;
        self.check_ownership(call, Some(&family.id), (&origin.client, &origin.user))
            .await?;
        // Compared before the verdict and reported after it: a replay revokes the family even if the request
        // contradicts the token.
        let agreement = self
            .check_expected_subject(expected, &origin.client, &origin.user)
            .await;
        let presented = PresentedToken {
            token,
            client: origin.client.clone(),
            user: origin.user.clone(),
        };
        let attempt = Attempt {
            call,
            presented,
            subject: subject_of(&family),
            is_remembered,
            now,
        };
        let verdict = self.judge_or_revoke(&family, &attempt).await?;
        let draft = match agreement {
            Ok(()) => self.draft_access_token(&family, is_remembered).await,
            Err(error) => Err(error),
        };
        if draft.is_err() {
            self.gate.check_before_write(call, &attempt.subject).await?;
        }
        let draft = draft?;
        let write = async {
            if is_remembered {
                let rotated = self.rotate(&attempt, family, verdict).await?;
                Ok(rotated.map(|(current, outcome)| (Some(self.sessions.encode_current_token(&current)), outcome)))
            } else {
                let closed = self.close(&attempt).await?;
                Ok(closed.map(|()| (None, RenewalOutcome::Renewed)))
            }
        };
        let subject = Subject::User(call, attempt.subject.clone());
        let minted = self
            .gate
            .mint(subject, write, |(refresh, outcome), signer| {
                Ok((issue(draft, refresh, signer)?, outcome))
            })
            .await?;
        Ok(minted.split())
    }

    /// Drafts the access token of the session. The token names no session if the family is about to be closed.
    async fn draft_access_token(
        &self,
        family: &RefreshFamily,
        is_remembered: bool,
    ) -> Result<AccessTokenDraft, TokenError> {
        let origin = &family.origin;
        let user = CallingUser {
            id: origin.user.clone(),
            business: origin.business.clone(),
            session: is_remembered.then(|| family.id.clone()),
            epoch: origin.epoch,
            sessions_version: origin.sessions_version,
        };
        let client = self.access_tokens.enabled_client(&origin.client).await?;
        let token = self
            .access_tokens
            .for_user(&client, user, &origin.asserted_groups())
            .await?;
        Ok(token.ending_by(Some(family.absolute_expires_at)))
    }

    /// Returns the family whose current token is the answer: rotated by this call, or by an earlier one.
    async fn rotate(
        &self,
        attempt: &Attempt<'_>,
        found: RefreshFamily,
        verdict: Verdict,
    ) -> Result<WriteEffect<(RefreshFamily, RenewalOutcome)>, TokenError> {
        // A superseded token never becomes current again, so no update could match.
        if verdict == Verdict::Superseded {
            return Ok(WriteEffect::Unchanged((found, RenewalOutcome::Repeated)));
        }
        let next = self.sessions.successor(&found, attempt.now);
        let unmatched = match self.sessions.rotate(&attempt.presented, &next).await? {
            RotationOutcome::Rotated => return Ok(WriteEffect::Changed((next, RenewalOutcome::Renewed))),
            RotationOutcome::Superseded(family) => Some(family),
            RotationOutcome::Unknown => None,
        };
        let family = self.judge_unmatched(unmatched, attempt).await?;
        Ok(WriteEffect::Unchanged((family, RenewalOutcome::Repeated)))
    }

    /// Closes the family. The token that closed it is accepted again within the grace time, because its answer may have
    /// been lost.
    async fn close(&self, attempt: &Attempt<'_>) -> Result<WriteEffect<()>, TokenError> {
        let unmatched = match self.sessions.close(&attempt.presented, attempt.now).await? {
            CloseOutcome::Closed => return Ok(WriteEffect::Changed(())),
            CloseOutcome::NotMatched(family) => Some(family),
            CloseOutcome::Unknown => None,
        };
        self.judge_unmatched(unmatched, attempt).await?;
        Ok(WriteEffect::Unchanged(()))
    }

    /// Judges the token against the family that an update found but did not match, and returns that family.
    async fn judge_unmatched(
        &self,
        found: Option<RefreshFamily>,
        attempt: &Attempt<'_>,
    ) -> Result<RefreshFamily, TokenError> {
        let token = &attempt.presented.token;
        let confirmed = self.sessions.confirm_for_token(found, token, attempt.now).await?;
        let family = confirmed.ok_or_else(|| attempt.reject(RejectionReason::Unknown))?;
        self.judge_or_revoke(&family, attempt).await?;
        Ok(family)
    }

    /// Applies the rule [`RefreshFamily::judge`] and acts on its verdict. Returns the verdict if the token still gets
    /// an answer, and an error otherwise. If the rule has detected a replay (refresh token reuse), revokes the family.
    ///
    /// The lock is checked before any other error: a locked user gets 412 and the family is revoked because of the
    /// lock, even on a replay. If the revocation fails, the caller gets 503, and the next presentation is judged again.
    async fn judge_or_revoke(&self, family: &RefreshFamily, attempt: &Attempt<'_>) -> Result<Verdict, TokenError> {
        let verdict = family.judge(&attempt.presented.token, attempt.now, self.sessions.grace());
        match verdict {
            Verdict::Current | Verdict::Superseded => Ok(verdict),
            Verdict::ClosedByThisToken if !attempt.is_remembered => Ok(verdict),
            Verdict::ClosedByThisToken | Verdict::Ended => {
                self.gate.check_before_write(attempt.call, &attempt.subject).await?;
                Err(attempt.reject(RejectionReason::of_inactive(family)))
            }
            Verdict::Replayed => {
                self.gate.check_before_write(attempt.call, &attempt.subject).await?;
                self.sessions
                    .revoke(attempt.call, &family.id, RevocationReason::Replay)
                    .await?;
                self.telemetry.record(MetricEvent::Replay);
                Err(attempt.reject(RejectionReason::Replay))
            }
        }
    }
}

fn subject_of(family: &RefreshFamily) -> UserSubject {
    let origin = &family.origin;
    UserSubject {
        id: origin.user.clone(),
        epoch: origin.epoch,
        sessions_version: origin.sessions_version,
        family: Some(family.id.clone()),
        ancestors: origin.ancestors.clone(),
    }
}
