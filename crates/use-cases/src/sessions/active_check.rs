use std::sync::Arc;

use domain::caller::{Caller, CallingUser};
use domain::client::Client;
use domain::identity::Identity;
use domain::ids::FamilyId;
use domain::lock_status::LockViolation;
use domain::sessions::{FamilyStatus, RefreshFamily, SessionsEnded};
use futures_util::future::{join, join4, join5, try_join_all};
use ports::sessions::{RefreshFamilies, SignInStatuses};
use ports::{Clients, Clock, Identities, LockStatuses, StoreError, Stores};

/// The reason why a token is inactive although it has a valid signature and has not expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InactiveReason {
    #[error("the credential is locked")]
    CredentialLocked,
    #[error("the credential was locked after the token was issued")]
    IssuedBeforeLock,
    #[error("all sessions of the user were ended after the token was issued")]
    SessionsEnded,
    #[error("the session of the token is revoked, closed or expired")]
    SessionInactive,
    #[error("a session that the token's session descends from is revoked")]
    AncestorRevoked,
    #[error("the user of the token was removed")]
    UserRemoved,
    #[error("the client of the token is disabled or was removed")]
    ClientDisabled,
    #[error("the tokens of the client were revoked after this one was issued")]
    ClientTokensRevoked,
}

impl From<LockViolation> for InactiveReason {
    fn from(violation: LockViolation) -> Self {
        match violation {
            LockViolation::Locked => Self::CredentialLocked,
            LockViolation::IssuedBeforeLock => Self::IssuedBeforeLock,
        }
    }
}

impl From<SessionsEnded> for InactiveReason {
    fn from(_: SessionsEnded) -> Self {
        Self::SessionsEnded
    }
}

/// The token is inactive, or a store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ActiveCheckError {
    #[error("the token is not active")]
    Inactive(#[from] InactiveReason),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The consistency of a read on which the check of a lock or an ancestor depends (docs/protocols.md "Linearizable
/// reads").
#[derive(Debug, Clone, Copy)]
pub(crate) enum Consistency {
    /// Sees every write that was acknowledged to any process before the read began.
    Linearizable,
    /// Sees every write that was acknowledged to any process before the last write of this process that changed a
    /// document began. It costs less than a linearizable read, but guarantees nothing without such a write.
    AfterWrite,
}

impl Consistency {
    /// Reads a family with this consistency.
    pub(crate) async fn read_family(
        self,
        families: &dyn RefreshFamilies,
        id: &FamilyId,
    ) -> Result<Option<RefreshFamily>, StoreError> {
        match self {
            Self::Linearizable => families.read_linearizable(id).await,
            Self::AfterWrite => families.read_after_write(id).await,
        }
    }
}

/// The user of an active token, as read by the check.
#[derive(Debug, Clone)]
pub struct ActiveUser {
    pub identity: Identity,
    /// The session of the token, if it has one.
    pub session: Option<RefreshFamily>,
    /// The sessions version under which the token is active. It is the one of the token, unless an end of all sessions
    /// kept its session.
    pub sessions_version: u64,
}

/// Checks whether a token with a valid signature that has not expired is still active (RFC 7662; docs/protocols.md
/// "Active check"). All of this must hold:
///
/// - The credential of its user is unlocked and still has the epoch that the token was issued under.
/// - The sessions of its user were not ended together since it was issued, or its session was kept.
/// - Its session, if it has one, is active and unexpired, and no ancestor of the session is revoked or absent.
/// - Its user exists.
/// - Its client is enabled and still has the client epoch that the token was issued under.
///
/// Lock status, sign-in and sessions are read linearizably, so the check sees everything that was acknowledged before it began.
/// Clients may be cached for one second in each process. A read that overlaps a change may cache the old client for one
/// more second. A change of a client therefore takes effect within two seconds.
#[derive(Clone)]
pub struct ActiveCheck {
    pub(super) clients: Arc<dyn Clients>,
    pub(super) identities: Arc<dyn Identities>,
    pub(super) lock_statuses: Arc<dyn LockStatuses>,
    pub(super) sign_in_statuses: Arc<dyn SignInStatuses>,
    pub(super) refresh_families: Arc<dyn RefreshFamilies>,
    pub(super) clock: Arc<dyn Clock>,
}

impl ActiveCheck {
    pub fn new(stores: &Stores, clock: Arc<dyn Clock>) -> Self {
        Self {
            clients: stores.clients.clone(),
            identities: stores.identities.clone(),
            lock_statuses: stores.lock_statuses.clone(),
            sign_in_statuses: stores.sign_in_statuses.clone(),
            refresh_families: stores.refresh_families.clone(),
            clock,
        }
    }

    /// Checks everything that a token depends on: client and user in parallel.
    pub async fn check_caller(&self, caller: &Caller) -> Result<(Client, Option<ActiveUser>), ActiveCheckError> {
        let user = async {
            match &caller.user {
                Some(user) => self.check_user(user).await.map(Some),
                None => Ok(None),
            }
        };
        let (client, user) = join(self.check_client(caller), user).await;
        // The user first: a lock is reported before a disabled client.
        let user = user?;
        Ok((client?, user))
    }

    /// Checks the client alone.
    pub async fn check_client(&self, caller: &Caller) -> Result<Client, ActiveCheckError> {
        let client = self.clients.find(&caller.client).await?;
        let client = require_enabled(client)?;
        if client.epoch == caller.client_epoch {
            Ok(client)
        } else {
            Err(InactiveReason::ClientTokensRevoked.into())
        }
    }

    /// Checks the user part of a token and reports the first of: lock, end of all sessions, session,
    /// ancestors, identity.
    pub async fn check_user(&self, user: &CallingUser) -> Result<ActiveUser, ActiveCheckError> {
        let session = async {
            match &user.session {
                Some(session) => self.check_session(session).await.map(Some),
                None => Ok(None),
            }
        };
        let (lock_status, sign_in, session, identity) = join4(
            self.lock_statuses.read_linearizable(&user.id),
            self.sign_in_statuses.read_linearizable(&user.id),
            session,
            self.identities.find(&user.id),
        )
        .await;
        lock_status?.judge(user.epoch).map_err(InactiveReason::from)?;
        let sessions_version = sign_in?.judge(user.sessions_version, user.session.as_ref());
        let sessions_version = sessions_version.map_err(InactiveReason::from)?;
        let session = session?;
        let identity = identity?.ok_or(InactiveReason::UserRemoved)?;
        Ok(ActiveUser {
            identity,
            session,
            sessions_version,
        })
    }

    /// Checks a session and all its ancestors.
    async fn check_session(&self, id: &FamilyId) -> Result<RefreshFamily, ActiveCheckError> {
        let found = self.refresh_families.read_linearizable(id).await?;
        let session = found
            .filter(|family| family.is_active(self.clock.now()))
            .ok_or(InactiveReason::SessionInactive)?;
        self.check_ancestors(&session.origin.ancestors, Consistency::Linearizable)
            .await?;
        Ok(session)
    }

    /// Checks the ancestors of a session. Active, closed and expired ancestors pass. An absent one counts as revoked:
    /// the purge removes a family only after its absolute expiry, and its branches end no later.
    pub(crate) async fn check_ancestors(
        &self,
        ancestors: &[FamilyId],
        consistency: Consistency,
    ) -> Result<(), ActiveCheckError> {
        let families = &self.refresh_families;
        let reads = ancestors
            .iter()
            .map(|ancestor| consistency.read_family(&**families, ancestor));
        for ancestor in try_join_all(reads).await? {
            match ancestor.map(|family| family.status) {
                Some(FamilyStatus::Active | FamilyStatus::Closed(_)) => {}
                Some(FamilyStatus::Revoked(_)) | None => return Err(InactiveReason::AncestorRevoked.into()),
            }
        }
        Ok(())
    }

    /// Checks the credential, sign-in, ancestors, user and client of a family's refresh token. It checks neither the family
    /// itself, which the caller has just read, nor the client epoch, which a family does not carry.
    pub(crate) async fn check_family(&self, family: &RefreshFamily) -> Result<(), ActiveCheckError> {
        let origin = &family.origin;
        let (lock_status, sign_in, ancestors, identity, client) = join5(
            self.lock_statuses.read_linearizable(&origin.user),
            self.sign_in_statuses.read_linearizable(&origin.user),
            self.check_ancestors(&origin.ancestors, Consistency::Linearizable),
            self.identities.find(&origin.user),
            self.clients.find(&origin.client),
        )
        .await;
        lock_status?.judge(origin.epoch).map_err(InactiveReason::from)?;
        let sessions_version = sign_in?.judge(origin.sessions_version, Some(&family.id));
        sessions_version.map_err(InactiveReason::from)?;
        ancestors?;
        identity?.ok_or(InactiveReason::UserRemoved)?;
        require_enabled(client?)?;
        Ok(())
    }
}

fn require_enabled(client: Option<Client>) -> Result<Client, InactiveReason> {
    client
        .filter(|client| client.is_enabled)
        .ok_or(InactiveReason::ClientDisabled)
}
