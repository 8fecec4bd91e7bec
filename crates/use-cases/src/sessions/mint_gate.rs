use std::sync::Arc;

use domain::caller::{Call, CallingUser};
use domain::ids::{FamilyId, UserId};
use domain::sessions::{AccessToken, RevocationReason};
use futures_util::future::join3;
use ports::LockStatuses;
use ports::sessions::{SignInStatuses, TokenSigner};

use super::active_check::{ActiveCheck, ActiveCheckError, ActiveUser, Consistency, InactiveReason};
use super::lifecycle::Sessions;
use super::rejection::{RejectionReason, reject};
use super::{SessionPorts, TokenError};
use crate::UseCaseError;

/// A value that passed the mint gate. Only the gate can construct it, so a handler cannot return a token that did not
/// pass.
#[derive(Debug)]
pub struct Minted<T>(T);

impl<T> Minted<T> {
    pub fn into_inner(self) -> T {
        self.0
    }

    pub(crate) fn peek(&self) -> &T {
        &self.0
    }
}

impl<T, U> Minted<(T, U)> {
    /// Separates a value that is not itself minted.
    pub(crate) fn split(self) -> (Minted<T>, U) {
        let (minted, other) = self.0;
        (Minted(minted), other)
    }
}

/// The effect of a path's write, which decides how the gate reads afterwards.
pub(crate) enum WriteEffect<W> {
    /// A write changed something and was acknowledged.
    Changed(W),
    /// Nothing was written, or a write matched nothing. An old primary that was cut off acknowledges an unmatched write
    /// immediately, so a read after it may be stale (docs/protocols.md "Linearizable reads").
    Unchanged(W),
}

impl<W> WriteEffect<W> {
    /// Returns the effect of an insert. If the document existed already, an earlier attempt of the same call inserted
    /// it. The acknowledgement of this attempt then gives no guarantee about later reads.
    pub(crate) fn of_insert(is_new: bool, written: W) -> Self {
        if is_new {
            Self::Changed(written)
        } else {
            Self::Unchanged(written)
        }
    }

    pub(crate) fn map<V>(self, change: impl FnOnce(W) -> V) -> WriteEffect<V> {
        match self {
            Self::Changed(written) => WriteEffect::Changed(change(written)),
            Self::Unchanged(written) => WriteEffect::Unchanged(change(written)),
        }
    }
}

/// The subject of a minted token.
pub(crate) enum Subject<'a> {
    /// A client on its own, which has no credential that could be locked.
    Client,
    /// A user, and the call that mints.
    User(&'a Call, UserSubject),
}

/// A user, and the epoch, versions and sessions that the token depends on.
#[derive(Debug, Clone)]
pub(crate) struct UserSubject {
    pub(crate) id: UserId,
    /// The epoch of the presented token, or the one read before the write. Never read again after the write: see
    /// [`MintGate::mint`].
    pub(crate) epoch: u64,
    /// The sessions version, taken like the epoch.
    pub(crate) sessions_version: u64,
    /// The session that the path presents, continues or starts.
    pub(crate) family: Option<FamilyId>,
    /// The sessions that it descends from.
    pub(crate) ancestors: Vec<FamilyId>,
}

/// The only holder of the [`TokenSigner`]: every token is signed here, and a token for a user only after the check of the
/// lock (docs/protocols.md "Mint gate").
pub(crate) struct MintGate {
    lock_statuses: Arc<dyn LockStatuses>,
    sign_in_statuses: Arc<dyn SignInStatuses>,
    active_check: ActiveCheck,
    sessions: Arc<Sessions>,
    signer: Arc<dyn TokenSigner>,
}

impl MintGate {
    pub(crate) fn new(ports: &SessionPorts, active_check: ActiveCheck, sessions: Arc<Sessions>) -> Self {
        Self {
            lock_statuses: ports.stores.lock_statuses.clone(),
            sign_in_statuses: ports.stores.sign_in_statuses.clone(),
            active_check,
            sessions,
            signer: ports.signer.clone(),
        }
    }

    /// Writes, then checks, then signs.
    ///
    /// 1. Awaits the path's write: it rotates, closes, consumes or inserts.
    /// 2. Reads lock status, sign-in and ancestors, after the write. A locked credential is 412; another epoch or
    ///    sessions version or a revoked ancestor is 401. In each of these cases the family of the path is revoked.
    /// 3. Calls `issue` with the signer.
    ///
    /// An end of all sessions is seen like a lock: it, too, is one write that raises a number. A session that the end
    /// kept passes under its old version, and is then stamped with the new one.
    ///
    /// A lock writes once, answers 204 and reads no session. If its write comes first, the mint reads "locked" after
    /// its own write. If the write of the mint comes first, the lock raises the epoch, and the session of the mint has
    /// the old one:
    ///
    /// - A rotates. B locks the user and gets its 204. A reads "locked": the new token never leaves the process.
    /// - A rotates and reads "unlocked". B locks and gets its 204. A signs. A began before the 204. Its access token
    ///   expires at `exp`, and its refresh token, issued under the old epoch, fails at the next renewal.
    /// - Check before write, which is wrong: A reads "unlocked". B locks and gets its 204. A rotates and signs a
    ///   renewal that was written after the lock's answer.
    /// - Epoch read again after the write, which is wrong: A rotates. B locks and C unlocks. A reads "unlocked, epoch
    ///   1" and stores 1. The session has survived the lock.
    pub(crate) async fn mint<W, T>(
        &self,
        subject: Subject<'_>,
        write: impl Future<Output = Result<WriteEffect<W>, TokenError>>,
        issue: impl FnOnce(W, &Signer<'_>) -> Result<T, UseCaseError>,
    ) -> Result<Minted<T>, TokenError> {
        let (written, consistency) = match write.await? {
            WriteEffect::Changed(written) => (written, Consistency::AfterWrite),
            WriteEffect::Unchanged(written) => (written, Consistency::Linearizable),
        };
        let mut signer = Signer {
            signer: &*self.signer,
            sessions_version: None,
        };
        if let Subject::User(call, user) = &subject {
            let sessions_version = self.check(call, user, consistency).await?;
            if sessions_version != user.sessions_version {
                self.try_stamp(user.family.as_ref(), sessions_version).await;
                signer.sessions_version = Some(sessions_version);
            }
        }
        Ok(Minted(issue(written, &signer)?))
    }

    /// Checks the subject early, only so that a lock is reported before other errors. This check does not protect: a
    /// lock may follow it before the write, and [`mint`](Self::mint) therefore checks again after the write.
    ///
    /// The family of a rejected subject is revoked, with an event that names this caller.
    pub(crate) async fn check_before_write(&self, call: &Call, user: &UserSubject) -> Result<(), TokenError> {
        self.check(call, user, Consistency::Linearizable).await.map(drop)
    }

    /// Rejects a calling user whose own token is not active, because the tokens minted for the user depend on that
    /// token.
    pub(crate) async fn check_caller(&self, call: &Call, user: &CallingUser) -> Result<ActiveUser, TokenError> {
        match self.active_check.check_user(user).await {
            Ok(active) => Ok(active),
            Err(ActiveCheckError::Store(error)) => Err(error.into()),
            Err(ActiveCheckError::Inactive(reason)) => {
                Err(self.reject_inactive(call, user.session.as_ref(), reason).await)
            }
        }
    }

    /// Returns the sessions version under which the subject is active.
    async fn check(&self, call: &Call, user: &UserSubject, consistency: Consistency) -> Result<u64, TokenError> {
        let lock_status = async {
            match consistency {
                Consistency::Linearizable => self.lock_statuses.read_linearizable(&user.id).await,
                Consistency::AfterWrite => self.lock_statuses.read_after_write(&user.id).await,
            }
        };
        let sign_in = async {
            match consistency {
                Consistency::Linearizable => self.sign_in_statuses.read_linearizable(&user.id).await,
                Consistency::AfterWrite => self.sign_in_statuses.read_after_write(&user.id).await,
            }
        };
        let ancestors = self.active_check.check_ancestors(&user.ancestors, consistency);
        let (lock_status, sign_in, ancestors) = join3(lock_status, sign_in, ancestors).await;
        let lock_check = lock_status?.judge(user.epoch).map_err(InactiveReason::from);
        let sign_in_check = sign_in?.judge(user.sessions_version, user.family.as_ref());
        let checked = lock_check.and_then(|()| sign_in_check.map_err(InactiveReason::from));
        let checked = checked.map_err(ActiveCheckError::from);
        match checked.and_then(|sessions_version| ancestors.map(|()| sessions_version)) {
            Ok(sessions_version) => Ok(sessions_version),
            Err(ActiveCheckError::Store(error)) => Err(error.into()),
            Err(ActiveCheckError::Inactive(reason)) => {
                Err(self.reject_inactive(call, user.family.as_ref(), reason).await)
            }
        }
    }

    /// Returns the error of an inactive subject. Revokes its family if the reason is a lock, an end of all sessions or a
    /// revoked ancestor: none of these wrote to the family, so the first request that is rejected pushes its
    /// `session.revoked`.
    async fn reject_inactive(&self, call: &Call, family: Option<&FamilyId>, reason: InactiveReason) -> TokenError {
        let revocation = match reason {
            InactiveReason::CredentialLocked | InactiveReason::IssuedBeforeLock => Some(RevocationReason::Lock),
            InactiveReason::SessionsEnded => Some(RevocationReason::SessionsEnded),
            InactiveReason::AncestorRevoked => Some(RevocationReason::Ancestor),
            InactiveReason::SessionInactive
            | InactiveReason::UserRemoved
            | InactiveReason::ClientDisabled
            | InactiveReason::ClientTokensRevoked => None,
        };
        if let (Some(family), Some(revocation)) = (family, revocation) {
            self.try_revoke(call, family, revocation).await;
        }
        match reason {
            InactiveReason::CredentialLocked => TokenError::CredentialLocked,
            reason => reject(call, family, RejectionReason::Inactive(reason)),
        }
    }

    /// Stamps a kept session with the version that kept it, or logs that it failed. It stays kept, and the next renewal
    /// tries again.
    ///
    /// The version was read when the session was active under it. If all sessions are ended again before the stamp, the
    /// next check finds a higher version.
    async fn try_stamp(&self, family: Option<&FamilyId>, sessions_version: u64) {
        let Some(family) = family else { return };
        if let Err(error) = self.sessions.stamp(family, sessions_version).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a kept session could not be stamped with its sessions version; the next renewal tries again"
            );
        }
    }

    /// Revokes a family, or logs that it failed. The caller's answer is the same: the family is inactive already, and
    /// the next request that presents it tries again.
    async fn try_revoke(&self, call: &Call, family: &FamilyId, reason: RevocationReason) {
        if let Err(error) = self.sessions.revoke(call, family, reason).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a session that has ended could not be revoked; the next request that presents it tries again"
            );
        }
    }
}

/// The signer, which `issue` gets once the checks have passed.
pub(crate) struct Signer<'a> {
    signer: &'a dyn TokenSigner,
    /// The sessions version that the token gets instead of its own: its session was kept under it.
    sessions_version: Option<u64>,
}

impl Signer<'_> {
    pub(crate) fn sign(&self, token: &AccessToken) -> Result<String, UseCaseError> {
        let Some(sessions_version) = self.sessions_version else {
            return Ok(self.signer.sign(token)?);
        };
        let token = token.clone().under_sessions_version(sessions_version);
        Ok(self.signer.sign(&token)?)
    }
}
