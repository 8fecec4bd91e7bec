use std::sync::Arc;

use domain::caller::{Call, CallingUser};
use domain::ids::{FamilyId, UserId};
use domain::tokens::{AccessToken, RevocationReason};
use futures_util::future::join;
use ports::LockStatuses;
use ports::tokens::TokenSigner;

use super::rejection::{RejectionReason, reject};
use super::sessions::Sessions;
use super::{TokenError, TokensPorts};
use crate::active_check::Consistency;
use crate::{ActiveCheck, ActiveCheckError, ActiveUser, InactiveReason, UseCaseError};

/// Something that was let out after the look. Only the gate makes one, and handlers can answer nothing else.
#[derive(Debug)]
pub struct Minted<T>(T);

impl<T> Minted<T> {
    pub fn into_inner(self) -> T {
        self.0
    }

    pub(super) fn peek(&self) -> &T {
        &self.0
    }
}

/// What a path did before the look.
pub(super) enum WriteEffect<W> {
    /// A write changed something and was acknowledged.
    Changed(W),
    /// Nothing was written, or a write matched nothing. The latter is acknowledged at once by an old primary that has been cut
    /// off, so it orders nothing.
    Unchanged(W),
}

impl<W> WriteEffect<W> {
    /// After an insert: what was there already came of an attempt that the driver made before, which orders nothing now.
    pub(super) fn inserted(is_new: bool, done: W) -> Self {
        if is_new {
            Self::Changed(done)
        } else {
            Self::Unchanged(done)
        }
    }

    pub(super) fn map<V>(self, change: impl FnOnce(W) -> V) -> WriteEffect<V> {
        match self {
            Self::Changed(done) => WriteEffect::Changed(change(done)),
            Self::Unchanged(done) => WriteEffect::Unchanged(change(done)),
        }
    }
}

/// For whom a path mints.
pub(super) enum Subject<'a> {
    /// A client on its own: it has no credential that could be locked.
    Client,
    /// A user, and the call that mints.
    User(&'a Call, UserSubject),
}

/// A user and what the path's token was born under.
#[derive(Debug, Clone)]
pub(super) struct UserSubject {
    pub(super) id: UserId,
    /// Of the presented token, or read before the write; never read afresh after it.
    pub(super) epoch: u64,
    /// The session the path presents, continues or starts.
    pub(super) family: Option<FamilyId>,
    /// The sessions that it descends from.
    pub(super) ancestors: Vec<FamilyId>,
}

/// The one place where tokens come into the world, and the only holder of the [`TokenSigner`] (03-protocols 2).
pub(super) struct MintGate {
    lock_statuses: Arc<dyn LockStatuses>,
    active_check: ActiveCheck,
    sessions: Arc<Sessions>,
    signer: Arc<dyn TokenSigner>,
}

impl MintGate {
    pub(super) fn new(ports: &TokensPorts, sessions: Arc<Sessions>) -> Self {
        Self {
            lock_statuses: ports.lock_statuses.clone(),
            active_check: ActiveCheck::new(ports.into()),
            sessions,
            signer: ports.signer.clone(),
        }
    }

    /// Awaits the path's write, then looks at the credential, and only then seals.
    ///
    /// Lock writes before it answers and never looks; a mint writes before it looks. So whichever comes second sees the
    /// other: a renewal that began after a lock's answer finds it, and one that overlaps leaves nothing alive.
    pub(super) async fn mint<W, T>(
        &self,
        subject: Subject<'_>,
        write: impl Future<Output = Result<WriteEffect<W>, TokenError>>,
        issue: impl FnOnce(W, &Signer<'_>) -> Result<T, UseCaseError>,
    ) -> Result<Minted<T>, TokenError> {
        let (done, look) = match write.await? {
            WriteEffect::Changed(done) => (done, Consistency::AfterWrite),
            WriteEffect::Unchanged(done) => (done, Consistency::Linearizable),
        };
        if let Subject::User(call, user) = &subject {
            self.check(call, user, look).await?;
        }
        Ok(Minted(issue(done, &Signer(&*self.signer))?))
    }

    /// Refuses a locked or outdated subject before anything is written. It replaces no look after a write.
    ///
    /// A family that is met dead here is ended, so that its end is told, with the caller who met it.
    pub(super) async fn check_before_write(&self, call: &Call, user: &UserSubject) -> Result<(), TokenError> {
        self.check(call, user, Consistency::Linearizable).await
    }

    /// Refuses a calling user whose own token is not alive: what is minted for it rests on that token.
    pub(super) async fn check_caller(&self, call: &Call, user: &CallingUser) -> Result<ActiveUser, TokenError> {
        match self.active_check.of_user(user).await {
            Ok(alive) => Ok(alive),
            Err(ActiveCheckError::Failed(failure)) => Err(failure.into()),
            Err(ActiveCheckError::Inactive(reason)) => Err(self.refuse(call, user.session.as_ref(), reason).await),
        }
    }

    async fn check(&self, call: &Call, user: &UserSubject, look: Consistency) -> Result<(), TokenError> {
        let lock_status = async {
            match look {
                Consistency::Linearizable => self.lock_statuses.read_linearizable(&user.id).await,
                Consistency::AfterWrite => self.lock_statuses.read_after_write(&user.id).await,
            }
        };
        let (lock_status, ancestors) = join(lock_status, self.active_check.of_ancestors(&user.ancestors, look)).await;
        let stands = lock_status?.judge(user.epoch).map_err(InactiveReason::from);
        match stands.map_err(ActiveCheckError::from).and(ancestors) {
            Ok(()) => Ok(()),
            Err(ActiveCheckError::Failed(failure)) => Err(failure.into()),
            Err(ActiveCheckError::Inactive(reason)) => Err(self.refuse(call, user.family.as_ref(), reason).await),
        }
    }

    /// What a path answers on something that is not alive. The family that a lock or an ancestor has ended is ended now, so
    /// that its end is told.
    async fn refuse(&self, call: &Call, family: Option<&FamilyId>, reason: InactiveReason) -> TokenError {
        let revocation = match reason {
            InactiveReason::CredentialLocked | InactiveReason::CredentialEpoch => Some(RevocationReason::Lock),
            InactiveReason::AncestorRevoked => Some(RevocationReason::Ancestor),
            InactiveReason::SessionEnded
            | InactiveReason::UserRemoved
            | InactiveReason::ClientDisabled
            | InactiveReason::ClientEpoch => None,
        };
        if let (Some(family), Some(revocation)) = (family, revocation) {
            self.end(call, family, revocation).await;
        }
        match reason {
            InactiveReason::CredentialLocked => TokenError::CredentialLocked,
            reason => reject(call, family, RejectionReason::Inactive(reason)),
        }
    }

    /// Ends the family of a subject that is refused. The refusal does not depend on it: a dead family that could not be
    /// ended now is ended when it is met again.
    async fn end(&self, call: &Call, family: &FamilyId, reason: RevocationReason) {
        if let Err(failure) = self.sessions.revoke(call, family, reason).await {
            tracing::warn!(
                error = &failure as &dyn std::error::Error,
                "a dead family could not be ended yet"
            );
        }
    }
}

/// The signer, lent to a path for the moment after the look.
pub(super) struct Signer<'a>(&'a dyn TokenSigner);

impl Signer<'_> {
    pub(super) fn sign(&self, token: &AccessToken) -> Result<String, UseCaseError> {
        Ok(self.0.sign(token)?)
    }
}
