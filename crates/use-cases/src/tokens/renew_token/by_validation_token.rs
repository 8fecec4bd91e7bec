use domain::caller::Call;
use domain::ids::ClientId;
use domain::time::Timestamp;
use domain::tokens::{Consumption, Redemption, ValidationToken, ValidationTokenHash};
use ports::{RenewalOutcome, StoreError};

use super::{ExpectedSubject, NewSession, RenewToken};
use crate::sessions::{
    AccessTokenDraft, IssuedTokens, Minted, RejectionReason, Subject, TokenError, UserSubject, WriteEffect,
    calling_user, issue, reject,
};

/// One use of a validation token. Its time is read once, so that every step judges the token at the same instant.
struct Attempt<'a> {
    call: &'a Call,
    hash: ValidationTokenHash,
    is_remembered: bool,
    now: Timestamp,
}

impl RenewToken {
    /// Redeems a validation token (docs/protocols.md "Redemption").
    ///
    /// 1. Finds the token, checks that client and user own it, and judges it ([`ValidationToken::judge`]).
    /// 2. Reads everything that may fail, before the token is consumed.
    /// 3. Consumes it, unless an earlier use did, whose answer may be repeated.
    /// 4. Starts the session that the token names, unless it exists. If it exists, its first refresh token is returned
    ///    again while it is the current one.
    /// 5. Passes the mint gate.
    ///
    /// - Lost answer: A consumes the token and starts the session, and the connection breaks. A presents the token again
    ///   and gets the same refresh token. If the process died between the two writes, the repetition starts the session.
    /// - Parallel uses: A and B present the token. A consumes it. B's update matches nothing; B reads the consumption, and
    ///   both insert the same session. One insert wins, and both get its first token.
    pub(super) async fn by_validation_token(
        &self,
        call: &Call,
        token: &str,
        expected: &ExpectedSubject,
        is_remembered: bool,
    ) -> Result<(Minted<IssuedTokens>, RenewalOutcome), TokenError> {
        let attempt = Attempt {
            call,
            hash: self.hasher.hash(token),
            is_remembered,
            now: self.clock.now(),
        };
        let found = self.find_validation_token(&attempt).await?;
        let found = found.ok_or_else(|| reject(call, None, RejectionReason::Unknown))?;
        self.check_ownership(call, None, (&found.target_client, &found.user))
            .await?;
        let agreement = self
            .check_expected_subject(expected, &found.target_client, &found.user)
            .await;
        let redemption = self.judge(&found, &attempt);
        let mut subject = subject_of(&found, redemption == Redemption::Repeated && is_remembered);
        // This comes before every other error, because a lock is reported first.
        self.gate.check_before_write(call, &subject).await?;
        if redemption == Redemption::Refused {
            let reason = match found.consumption {
                Some(_) => RejectionReason::Used,
                None => RejectionReason::Expired,
            };
            return Err(reject(call, None, reason));
        }
        agreement?;
        let target = found.target_client.clone();
        let (draft, session) = self.draft_redeemed_tokens(found, is_remembered).await?;
        if redemption == Redemption::First {
            self.take_session_start(session.as_ref())?;
        }
        subject.family = session.as_ref().map(|session| session.first.family.clone());
        let write = async {
            let outcome = self.consume(&attempt, &target, redemption).await?;
            match (session, outcome) {
                (Some(session), outcome) => {
                    let started = self.start(call, session).await?;
                    Ok(started.map(|refresh| (Some(refresh), outcome)))
                }
                (None, RenewalOutcome::Repeated) => Ok(WriteEffect::Unchanged((None, outcome))),
                (None, _) => Ok(WriteEffect::Changed((None, outcome))),
            }
        };
        let minted = self
            .gate
            .mint(Subject::User(call, subject), write, |(refresh, outcome), signer| {
                Ok((issue(draft, refresh, signer)?, outcome))
            })
            .await?;
        Ok(minted.split())
    }

    fn judge(&self, token: &ValidationToken, attempt: &Attempt<'_>) -> Redemption {
        token.judge(attempt.is_remembered, attempt.now, self.sessions.redemption_grace())
    }

    /// Drafts the access token, and the session that it belongs to if there is one.
    async fn draft_redeemed_tokens(
        &self,
        token: ValidationToken,
        is_remembered: bool,
    ) -> Result<(AccessTokenDraft, Option<NewSession>), TokenError> {
        let groups = token.asserted_groups();
        let ends_at = token.session_expires_at;
        let mut user = calling_user(token.user, token.business, (token.epoch, token.sessions_version));
        let session = is_remembered.then(|| {
            // A token that an earlier version stored names no session.
            let first = token.first_refresh_token;
            let first = first.unwrap_or_else(|| self.sessions.first_refresh_token());
            let parent = (token.ancestors, ends_at);
            NewSession::new(first, &user, token.target_client.clone(), groups.clone(), parent)
        });
        user.session = session.as_ref().map(|session| session.first.family.clone());
        let client = self.access_tokens.enabled_client(&token.target_client).await?;
        let draft = self.access_tokens.for_user(&client, user, &groups).await?;
        Ok((draft.ending_by(ends_at), session))
    }

    /// Consumes the token. Returns `Repeated` if it was consumed before, and this use repeats that one.
    ///
    /// If the update matches nothing, another use was faster, or an earlier attempt of this call, whose answer was lost.
    /// The token is then read linearizably, because an update that matched nothing gives no guarantee about later reads.
    async fn consume(
        &self,
        attempt: &Attempt<'_>,
        client: &ClientId,
        redemption: Redemption,
    ) -> Result<RenewalOutcome, TokenError> {
        if redemption == Redemption::Repeated {
            return Ok(RenewalOutcome::Repeated);
        }
        let consumption = Consumption {
            at: attempt.now,
            starts_session: attempt.is_remembered,
        };
        let consumed = self.validation_tokens.consume(&attempt.hash, client, consumption);
        if consumed.await? {
            return Ok(RenewalOutcome::Renewed);
        }
        match self.validation_tokens.read_linearizable(&attempt.hash).await? {
            Some(found) if self.judge(&found, attempt) == Redemption::Repeated => Ok(RenewalOutcome::Repeated),
            Some(_) | None => Err(reject(attempt.call, None, RejectionReason::Used)),
        }
    }

    /// Returns the stored validation token. If it is absent, or expired without a use, it is read again, linearizably:
    /// right after a failover a majority read may be behind the write that issued or consumed it. Only a caller with a
    /// valid access token gets here, so an unauthenticated caller cannot cause these reads.
    async fn find_validation_token(&self, attempt: &Attempt<'_>) -> Result<Option<ValidationToken>, StoreError> {
        let is_certain =
            |found: &ValidationToken| found.consumption.is_some() || self.judge(found, attempt) != Redemption::Refused;
        match self.validation_tokens.find(&attempt.hash).await? {
            Some(found) if is_certain(&found) => Ok(Some(found)),
            Some(_) | None => self.validation_tokens.read_linearizable(&attempt.hash).await,
        }
    }
}

/// Returns the subject of the token. Its session may exist only if the use is repeated.
fn subject_of(token: &ValidationToken, has_session: bool) -> UserSubject {
    let first = token.first_refresh_token.as_ref().filter(|_| has_session);
    UserSubject {
        id: token.user.clone(),
        epoch: token.epoch,
        sessions_version: token.sessions_version,
        family: first.map(|first| first.family.clone()),
        ancestors: token.ancestors.clone(),
    }
}
