//! Renewal: by refresh token, by validation token, or by the word of an external identity provider.

mod by_identity_provider;
mod by_refresh_token;
mod by_validation_token;

use std::sync::Arc;

use domain::caller::{Call, CallingUser};
use domain::group::AssertedGroups;
use domain::ids::{ClientId, FamilyId, UserId};
use domain::time::Timestamp;
use domain::tokens::{Origin, SignedRefreshToken};
use ports::tokens::{RefreshTokenCodec, ValidationTokenHasher, ValidationTokens};
use ports::{
    AuditOutcome, AuditRecord, AuditTrail, Clock, LockStatuses, MetricEvent, RenewalOutcome, RequestLimit, Telemetry,
};

use super::access_token_factory::{AccessTokenFactory, IssuedTokens};
use super::mint_gate::{MintGate, Minted, WriteEffect};
use super::rejection::{RejectionReason, reject};
use super::sessions::Sessions;
use super::{TokenError, TokensPorts};

/// What the request says beside the token.
#[derive(Debug, Clone, Default)]
pub struct ExpectedSubject {
    pub client: Option<ClientId>,
    pub user: Option<UserId>,
}

/// The two ways in (01-api 3.2).
#[derive(Clone)]
pub enum RenewalGrant {
    /// A validation token or a refresh token, with what is claimed beside it.
    Token { token: String, expected: ExpectedSubject },
    /// A login that an external identity provider has verified.
    IdentityProvider { client: ClientId, user: UserId },
}

/// What a caller asks.
#[derive(Clone)]
pub struct RenewTokenRequest {
    pub grant: RenewalGrant,
    /// With `remember`, a refresh token comes with the answer; without, a presented family is closed.
    pub remember: bool,
}

/// Gives a user fresh tokens. Roles, business roles and scopes are computed from what is stored now.
///
/// Judged in this order: caller, token of another client or user, lock, replay, then the rest.
pub struct RenewToken {
    access_tokens: Arc<AccessTokenFactory>,
    sessions: Arc<Sessions>,
    gate: Arc<MintGate>,
    tokens: PresentedTokens,
    lock_statuses: Arc<dyn LockStatuses>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<dyn Telemetry>,
    audit: Arc<dyn AuditTrail>,
}

/// Reads what was presented.
struct PresentedTokens {
    refresh_token_codec: Arc<dyn RefreshTokenCodec>,
    validation_tokens: Arc<dyn ValidationTokens>,
    hasher: Arc<dyn ValidationTokenHasher>,
}

/// A session about to start.
struct NewSession {
    id: FamilyId,
    origin: Origin,
    ends_at: Option<Timestamp>,
}

/// What a renewal was granted for.
enum GrantKind {
    IdentityProvider,
    ValidationToken,
    RefreshToken(FamilyId),
}

impl GrantKind {
    const fn of(way: &RenewalGrant) -> Self {
        match way {
            RenewalGrant::IdentityProvider { .. } => Self::IdentityProvider,
            RenewalGrant::Token { .. } => Self::ValidationToken,
        }
    }

    /// What the audit trail says of it; `None` for a session that only went on.
    const fn reason(&self, remember: bool, outcome: RenewalOutcome) -> Option<&'static str> {
        match (self, outcome) {
            (Self::IdentityProvider, _) => Some("identity provider"),
            (Self::ValidationToken, _) => Some("validation token"),
            (Self::RefreshToken(_), RenewalOutcome::Repeated) => Some("repeated in the grace time"),
            (Self::RefreshToken(_), _) if !remember => Some("session closed"),
            (Self::RefreshToken(_), _) => None,
        }
    }

    /// The session that was presented, or the one that was started.
    fn session(&self, minted: &Minted<IssuedTokens>) -> Option<FamilyId> {
        match self {
            Self::RefreshToken(family) => Some(family.clone()),
            Self::IdentityProvider | Self::ValidationToken => minted.peek().session.clone(),
        }
    }
}

type Renewed = Result<Minted<IssuedTokens>, TokenError>;

impl RenewToken {
    pub(super) fn new(
        ports: &TokensPorts,
        gate: Arc<MintGate>,
        access_tokens: Arc<AccessTokenFactory>,
        sessions: Arc<Sessions>,
    ) -> Self {
        Self {
            access_tokens,
            sessions,
            gate,
            tokens: PresentedTokens {
                refresh_token_codec: ports.refresh_token_codec.clone(),
                validation_tokens: ports.validation_tokens.clone(),
                hasher: ports.hasher.clone(),
            },
            lock_statuses: ports.lock_statuses.clone(),
            clock: ports.clock.clone(),
            telemetry: ports.telemetry.clone(),
            audit: ports.audit.clone(),
        }
    }

    pub async fn run(&self, call: &Call, request: RenewTokenRequest) -> Renewed {
        let remember = request.remember;
        let first = |minted| (minted, RenewalOutcome::Renewed);
        let mut grant = GrantKind::of(&request.grant);
        let renewed = match request.grant {
            RenewalGrant::IdentityProvider { client, user } => self
                .by_identity_provider(call, &client, user, remember)
                .await
                .map(first),
            RenewalGrant::Token {
                token,
                expected: claimed,
            } if SignedRefreshToken::is_refresh_token(&token) => {
                // A bad MAC is refused without a read.
                match self.tokens.refresh_token_codec.verify(&token) {
                    Some(token) => {
                        grant = GrantKind::RefreshToken(token.family.clone());
                        self.by_refresh_token(call, token, &claimed, remember).await
                    }
                    None => Err(reject(call, None, RejectionReason::Forged)),
                }
            }
            RenewalGrant::Token {
                token,
                expected: claimed,
            } => self
                .by_validation_token(call, &token, &claimed, remember)
                .await
                .map(first),
        };
        self.telemetry.record(MetricEvent::Renewal(match &renewed {
            Ok((_, outcome)) => *outcome,
            Err(TokenError::Failed(_)) => RenewalOutcome::Failed,
            Err(_) => RenewalOutcome::Refused,
        }));
        let (minted, outcome) = renewed?;
        self.record(call, grant.reason(remember, outcome), grant.session(&minted), &minted);
        Ok(minted)
    }

    /// Records what a renewal began, ended or repeated. That a session went on as it does every few minutes is in the log.
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

    /// A token works for the client it was made for, and for no other user than the caller's, whose own token must be alive.
    async fn belongs_to(
        &self,
        call: &Call,
        session: Option<&FamilyId>,
        (client, user): (&ClientId, &UserId),
    ) -> Result<(), TokenError> {
        if !call.owns(client, user) {
            return Err(reject(call, session, RejectionReason::NotOwned));
        }
        if let Some(calling) = &call.user {
            self.gate.check_caller(call, calling).await?;
        }
        Ok(())
    }

    /// What is claimed beside a token must agree with it; a client may be named by an alias.
    async fn agrees(&self, claimed: &ExpectedSubject, client: &ClientId, user: &UserId) -> Result<(), TokenError> {
        if claimed.user.as_ref().is_some_and(|claimed| claimed != user) {
            return Err(TokenError::Contradiction);
        }
        match &claimed.client {
            Some(claimed) if claimed != client => {
                if self.access_tokens.is_known_as(client, claimed).await? {
                    Ok(())
                } else {
                    Err(TokenError::Contradiction)
                }
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A session's origin and its end: a branch has the ancestors, and what is made of another token the end, of that.
    fn new_session(
        &self,
        user: &CallingUser,
        client: ClientId,
        groups: AssertedGroups,
        (ancestors, ends_at): (Vec<FamilyId>, Option<Timestamp>),
    ) -> NewSession {
        let id = self.sessions.new_id();
        let origin = Origin {
            user: user.id.clone(),
            client,
            business: user.business.clone(),
            groups: groups.names,
            ancestors,
            epoch: user.epoch,
            administrative_groups: groups.administrative,
        };
        NewSession { id, origin, ends_at }
    }

    /// Refuses a session when the client started too many of the user.
    fn take_session_start(&self, session: Option<&NewSession>) -> Result<(), TokenError> {
        let admitted = session.map_or(Ok(()), |session| self.sessions.take_start(&session.origin));
        if admitted.is_err() {
            self.telemetry
                .record(MetricEvent::RequestRefused(RequestLimit::Sessions));
        }
        admitted
    }

    /// Starts the session; its refresh token.
    async fn start(
        &self,
        call: &Call,
        NewSession { id, origin, ends_at }: NewSession,
    ) -> Result<WriteEffect<String>, TokenError> {
        let (family, is_new) = self.sessions.start(call, id, origin, ends_at).await?;
        Ok(WriteEffect::inserted(is_new, self.sessions.current_token(&family)))
    }
}
