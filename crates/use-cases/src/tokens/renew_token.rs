//! Renewal: by refresh token, by validation token, or after a login at an external identity provider.

mod by_identity_provider;
mod by_refresh_token;
mod by_validation_token;

use std::sync::Arc;

use domain::caller::{Call, CallingUser};
use domain::group::AssertedGroups;
use domain::ids::{ClientId, FamilyId, UserId};
use domain::sessions::{Origin, RefreshToken, SignedRefreshToken, Verdict};
use domain::time::Timestamp;
use ports::sessions::SignInStatuses;
use ports::tokens::{ValidationTokenHasher, ValidationTokens};
use ports::{
    AuditOutcome, AuditRecord, AuditTrail, Clock, LockStatuses, MetricEvent, RenewalOutcome, RequestLimit, Telemetry,
};

use super::TokensPorts;
use crate::sessions::{
    AccessTokenFactory, Issuance, IssuedTokens, MintGate, Minted, RejectionReason, Sessions, TokenError, WriteEffect,
    reject,
};

/// The client and user that the request names in addition to the token. They must agree with it.
#[derive(Debug, Clone, Default)]
pub struct ExpectedSubject {
    pub client: Option<ClientId>,
    pub user: Option<UserId>,
}

/// The grant that a renewal presents (docs/api.md "Request bodies and parameters").
#[derive(Clone)]
pub enum RenewalGrant {
    /// A validation token or a refresh token.
    Token { token: String, expected: ExpectedSubject },
    /// A login that an external identity provider has verified.
    IdentityProvider { client: ClientId, user: UserId },
}

/// The request of a renewal.
#[derive(Clone)]
pub struct RenewTokenRequest {
    pub grant: RenewalGrant,
    /// If true, the answer has a refresh token. If false it has none, and the family of a presented refresh token is
    /// closed.
    pub is_remembered: bool,
}

/// Renews a user's tokens. Roles, business roles and scopes are computed from the data that is stored at that moment.
///
/// Errors are reported in this order: caller, token of another client or user, lock, replay, then the rest. The domain
/// rule `RefreshFamily::judge` detects a replay (refresh token reuse, RFC 9700 section 4.14.2), and
/// `by_refresh_token.rs` acts on its verdict. `mint_gate.rs` checks the lock after the write and before the signature.
pub struct RenewToken {
    access_tokens: Arc<AccessTokenFactory>,
    sessions: Arc<Sessions>,
    gate: Arc<MintGate>,
    validation_tokens: Arc<dyn ValidationTokens>,
    hasher: Arc<dyn ValidationTokenHasher>,
    lock_statuses: Arc<dyn LockStatuses>,
    sign_in_statuses: Arc<dyn SignInStatuses>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<dyn Telemetry>,
    audit: Arc<dyn AuditTrail>,
}

/// A session that is about to start.
struct NewSession {
    first: RefreshToken,
    origin: Origin,
    ends_at: Option<Timestamp>,
}

/// The kind of grant, for the audit trail.
enum GrantKind {
    IdentityProvider,
    ValidationToken,
    RefreshToken(FamilyId),
}

impl GrantKind {
    const fn of(grant: &RenewalGrant) -> Self {
        match grant {
            RenewalGrant::IdentityProvider { .. } => Self::IdentityProvider,
            RenewalGrant::Token { .. } => Self::ValidationToken,
        }
    }

    /// Returns the reason for the audit trail; `None` for a rotation, which happens every few minutes.
    const fn reason(&self, is_remembered: bool, outcome: RenewalOutcome) -> Option<&'static str> {
        match (self, outcome) {
            (Self::IdentityProvider, _) => Some("identity provider"),
            (Self::ValidationToken, RenewalOutcome::Repeated) => Some("validation token repeated in the grace time"),
            (Self::ValidationToken, _) => Some("validation token"),
            (Self::RefreshToken(_), RenewalOutcome::Repeated) => Some("repeated in the grace time"),
            (Self::RefreshToken(_), _) if !is_remembered => Some("session closed"),
            (Self::RefreshToken(_), _) => None,
        }
    }

    /// Returns the session that was presented, or the one that was started.
    fn session(&self, minted: &Minted<IssuedTokens>) -> Option<FamilyId> {
        match self {
            Self::RefreshToken(family) => Some(family.clone()),
            Self::IdentityProvider | Self::ValidationToken => minted.peek().session.clone(),
        }
    }
}

type RenewalResult = Result<Minted<IssuedTokens>, TokenError>;

impl RenewToken {
    pub(super) fn new(ports: &TokensPorts, issuance: &Issuance) -> Self {
        Self {
            access_tokens: issuance.access_tokens.clone(),
            sessions: issuance.sessions.clone(),
            gate: issuance.gate.clone(),
            validation_tokens: ports.stores.validation_tokens.clone(),
            hasher: ports.crypto.hasher.clone(),
            lock_statuses: ports.stores.lock_statuses.clone(),
            sign_in_statuses: ports.stores.sign_in_statuses.clone(),
            clock: ports.runtime.clock.clone(),
            telemetry: ports.runtime.telemetry.clone(),
            audit: ports.runtime.audit.clone(),
        }
    }

    /// Renews tokens. The prefix distinguishes a refresh token from a validation token.
    #[tracing::instrument(
        level = "debug",
        name = "renew_token",
        skip_all,
        fields(client = call.client.as_str(), user = tracing::field::Empty, session = tracing::field::Empty)
    )]
    pub async fn run(&self, call: &Call, request: RenewTokenRequest) -> RenewalResult {
        let is_remembered = request.is_remembered;
        let renewed = |minted| (minted, RenewalOutcome::Renewed);
        let mut grant = GrantKind::of(&request.grant);
        let result = match request.grant {
            RenewalGrant::IdentityProvider { client, user } => self
                .by_identity_provider(call, &client, user, is_remembered)
                .await
                .map(renewed),
            RenewalGrant::Token { token, expected } if SignedRefreshToken::is_refresh_token(&token) => {
                // A bad MAC is rejected without a read of the store.
                match self.sessions.verify_refresh_token(&token) {
                    Some(token) => {
                        grant = GrantKind::RefreshToken(token.family.clone());
                        self.by_refresh_token(call, token, &expected, is_remembered).await
                    }
                    None => Err(reject(call, None, RejectionReason::Forged)),
                }
            }
            RenewalGrant::Token { token, expected } => {
                self.by_validation_token(call, &token, &expected, is_remembered).await
            }
        };
        self.telemetry.record(MetricEvent::Renewal(match &result {
            Ok((_, outcome)) => *outcome,
            Err(TokenError::Failed(_)) => RenewalOutcome::Failed,
            Err(_) => RenewalOutcome::Refused,
        }));
        let (minted, outcome) = result?;
        self.record(
            call,
            grant.reason(is_remembered, outcome),
            grant.session(&minted),
            &minted,
        );
        Ok(minted)
    }

    /// Writes an audit record of a renewal that started, closed or repeated a session. A rotation has none.
    fn record(&self, call: &Call, reason: Option<&str>, session: Option<FamilyId>, minted: &Minted<IssuedTokens>) {
        let Some(reason) = reason else { return };
        let record = AuditRecord::new(self.clock.now(), "renewToken", AuditOutcome::Done).in_call(call);
        let user = minted.peek().user.as_ref().map(|user| ("user", user.to_string()));
        let session = session.map(|session| ("session", session.to_string()));
        self.audit.record(&AuditRecord {
            object: user.into_iter().chain(session).collect(),
            reason: Some(reason.to_owned()),
            ..record
        });
    }

    /// Rejects a token that belongs to another client or user. If the caller is a user, the caller's own token must be
    /// active too.
    async fn check_ownership(
        &self,
        call: &Call,
        session: Option<&FamilyId>,
        (client, user): (&ClientId, &UserId),
    ) -> Result<(), TokenError> {
        tracing::Span::current()
            .record("user", user.as_str())
            .record("session", session.map(FamilyId::as_str));
        if !call.owns(client, user) {
            return Err(reject(call, session, RejectionReason::NotOwned));
        }
        if let Some(calling) = &call.user {
            self.gate.check_caller(call, calling).await?;
        }
        Ok(())
    }

    /// Rejects a request that names a client or user other than those of the token. An alias of the client is accepted.
    async fn check_expected_subject(
        &self,
        expected: &ExpectedSubject,
        client: &ClientId,
        user: &UserId,
    ) -> Result<(), TokenError> {
        if expected.user.as_ref().is_some_and(|expected| expected != user) {
            return Err(TokenError::Contradiction);
        }
        match &expected.client {
            Some(name) if name != client => {
                if self.access_tokens.is_known_as(client, name).await? {
                    Ok(())
                } else {
                    Err(TokenError::Contradiction)
                }
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Counts a session start, and rejects it if the client has started too many sessions of the user.
    fn take_session_start(&self, session: Option<&NewSession>) -> Result<(), TokenError> {
        let allowed = session.map_or(Ok(()), |session| {
            self.sessions.take_start(&session.first.family, &session.origin)
        });
        if allowed.is_err() {
            self.telemetry
                .record(MetricEvent::RequestRefused(RequestLimit::Sessions));
        }
        allowed
    }

    /// Starts the session, and returns its first refresh token.
    ///
    /// The session may exist: an earlier attempt of this call inserted it, or another use of the same validation token.
    /// Then it gets the same token again while this is the session's current one. The read is linearizable, because the
    /// insert that found the session gives no guarantee about later reads.
    async fn start(
        &self,
        call: &Call,
        NewSession { first, origin, ends_at }: NewSession,
    ) -> Result<WriteEffect<String>, TokenError> {
        let refresh_token = self.sessions.encode(&first);
        if self.sessions.start(call, &first, origin, ends_at).await? {
            return Ok(WriteEffect::Changed(refresh_token));
        }
        let reason = match self.sessions.read_linearizable(&first.family).await? {
            Some(family) => match family.judge(&first, self.clock.now(), self.sessions.grace()) {
                Verdict::Current => return Ok(WriteEffect::Unchanged(refresh_token)),
                Verdict::Superseded | Verdict::Replayed => RejectionReason::Used,
                Verdict::ClosedByThisToken | Verdict::Ended => RejectionReason::of_inactive(&family),
            },
            None => RejectionReason::Unknown,
        };
        Err(reject(call, Some(&first.family), reason))
    }
}

impl NewSession {
    /// Builds a session that is not stored yet. A branch gets the ancestors and the end that its parent session passes
    /// on.
    fn new(
        first: RefreshToken,
        user: &CallingUser,
        client: ClientId,
        groups: AssertedGroups,
        (ancestors, ends_at): (Vec<FamilyId>, Option<Timestamp>),
    ) -> Self {
        let origin = Origin {
            user: user.id.clone(),
            client,
            business: user.business.clone(),
            groups: groups.names,
            ancestors,
            epoch: user.epoch,
            sessions_version: user.sessions_version,
            administrative_groups: groups.administrative,
        };
        Self { first, origin, ends_at }
    }
}
