use std::sync::Arc;

use domain::caller::{Caller, CallingUser};
use domain::client::Client;
use domain::identity::Identity;
use domain::ids::FamilyId;
use domain::lock_status::LockViolation;
use domain::tokens::{FamilyStatus, RefreshFamily};
use futures_util::future::{join, join3, join4, try_join_all};
use ports::tokens::RefreshFamilies;
use ports::{Clients, Clock, Identities, LockStatuses, StoreError};

/// Why a token with a good signature is refused all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InactiveReason {
    #[error("the credential is locked")]
    CredentialLocked,
    #[error("the credential was locked after the token was issued")]
    CredentialEpoch,
    #[error("the session of the token is revoked, closed or expired")]
    SessionEnded,
    #[error("a session that the token's session descends from is revoked")]
    AncestorRevoked,
    #[error("the user of the token was removed")]
    UserRemoved,
    #[error("the client of the token is disabled or was removed")]
    ClientDisabled,
    #[error("the tokens of the client were revoked after this one was issued")]
    ClientEpoch,
}

impl From<LockViolation> for InactiveReason {
    fn from(lock_status: LockViolation) -> Self {
        match lock_status {
            LockViolation::Locked => Self::CredentialLocked,
            LockViolation::IssuedBeforeLock => Self::CredentialEpoch,
        }
    }
}

/// A token is not alive, or that could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum ActiveCheckError {
    #[error("the token is not alive")]
    Inactive(#[from] InactiveReason),
    #[error(transparent)]
    Failed(#[from] StoreError),
}

/// Which look is due.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Consistency {
    Linearizable,
    AfterWrite,
}

impl Consistency {
    /// The family as nothing that was acknowledged before can contradict it.
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

/// What decides over the user part of a token, as it was found.
#[derive(Debug, Clone)]
pub struct ActiveUser {
    pub identity: Identity,
    /// The session of the token, when it has one.
    pub session: Option<RefreshFamily>,
}

/// What the look at a token reads.
#[derive(Clone)]
pub struct ActiveCheckPorts {
    pub clients: Arc<dyn Clients>,
    pub identities: Arc<dyn Identities>,
    pub lock_statuses: Arc<dyn LockStatuses>,
    pub refresh_families: Arc<dyn RefreshFamilies>,
    pub clock: Arc<dyn Clock>,
}

/// Tells whether a token that is signed well and not expired is still alive: its credential is unlocked and of its epoch, its
/// session and all that session descends from are not revoked, its user exists, and its client is enabled and of its epoch.
///
/// Credential and sessions are read linearizably, so what was acknowledged before the look began is seen. Clients are
/// remembered for up to a second, so a disabled one is refused within two.
#[derive(Clone)]
pub struct ActiveCheck {
    ports: ActiveCheckPorts,
}

impl ActiveCheck {
    pub fn new(ports: ActiveCheckPorts) -> Self {
        Self { ports }
    }

    /// Looks at everything a token rests on.
    pub async fn of_caller(&self, caller: &Caller) -> Result<(Client, Option<ActiveUser>), ActiveCheckError> {
        let user = async {
            match &caller.user {
                Some(user) => self.of_user(user).await.map(Some),
                None => Ok(None),
            }
        };
        let (client, user) = join(self.of_client(caller), user).await;
        // A lock is told before anything else that is wrong.
        let user = user?;
        Ok((client?, user))
    }

    /// Looks at the client alone.
    pub async fn of_client(&self, caller: &Caller) -> Result<Client, ActiveCheckError> {
        let client = self.ports.clients.find(&caller.client).await?;
        let client = enabled(client)?;
        if client.epoch == caller.client_epoch {
            Ok(client)
        } else {
            Err(InactiveReason::ClientEpoch.into())
        }
    }

    /// Looks at the user part of a token: credential, session, ancestors, identity. A lock is told first.
    pub async fn of_user(&self, user: &CallingUser) -> Result<ActiveUser, ActiveCheckError> {
        let session = async {
            match &user.session {
                Some(session) => self.of_session(session).await.map(Some),
                None => Ok(None),
            }
        };
        let (lock_status, session, identity) = join3(
            self.ports.lock_statuses.read_linearizable(&user.id),
            session,
            self.ports.identities.find(&user.id),
        )
        .await;
        lock_status?.judge(user.epoch).map_err(InactiveReason::from)?;
        let session = session?;
        let identity = identity?.ok_or(InactiveReason::UserRemoved)?;
        Ok(ActiveUser { identity, session })
    }

    /// Looks at a session and at all it descends from.
    async fn of_session(&self, id: &FamilyId) -> Result<RefreshFamily, ActiveCheckError> {
        let found = self.ports.refresh_families.read_linearizable(id).await?;
        let session = found
            .filter(|family| family.is_active(self.ports.clock.now()))
            .ok_or(InactiveReason::SessionEnded)?;
        self.of_ancestors(&session.origin.ancestors, Consistency::Linearizable)
            .await?;
        Ok(session)
    }

    /// Looks at the sessions that another descends from. A closed one lets it live; one that is not there any more counts as
    /// revoked.
    pub(crate) async fn of_ancestors(&self, ancestors: &[FamilyId], look: Consistency) -> Result<(), ActiveCheckError> {
        let families = &self.ports.refresh_families;
        let looks = ancestors.iter().map(|ancestor| look.read_family(&**families, ancestor));
        for ancestor in try_join_all(looks).await? {
            match ancestor.map(|family| family.status) {
                Some(FamilyStatus::Active | FamilyStatus::Closed(_)) => {}
                Some(FamilyStatus::Revoked(_)) | None => return Err(InactiveReason::AncestorRevoked.into()),
            }
        }
        Ok(())
    }

    /// Looks at all that a family's refresh token rests on, save the family itself, which the caller has just read.
    pub(crate) async fn of_family(&self, family: &RefreshFamily) -> Result<(), ActiveCheckError> {
        let origin = &family.origin;
        let (lock_status, ancestors, identity, client) = join4(
            self.ports.lock_statuses.read_linearizable(&origin.user),
            self.of_ancestors(&origin.ancestors, Consistency::Linearizable),
            self.ports.identities.find(&origin.user),
            self.ports.clients.find(&origin.client),
        )
        .await;
        lock_status?.judge(origin.epoch).map_err(InactiveReason::from)?;
        ancestors?;
        identity?.ok_or(InactiveReason::UserRemoved)?;
        enabled(client?)?;
        Ok(())
    }
}

fn enabled(client: Option<Client>) -> Result<Client, InactiveReason> {
    client
        .filter(|client| client.is_enabled)
        .ok_or(InactiveReason::ClientDisabled)
}
