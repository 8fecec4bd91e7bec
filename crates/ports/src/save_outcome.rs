/// The outcome of saving an aggregate under its version.
///
/// A use case decides again after a conflict. It also saves an unchanged aggregate: because of the raised version, an
/// abandoned write that arrives later matches nothing.
///
/// ```
/// use domain::credential_lock::{CredentialLock, LockCommand, events};
/// use ports::{SaveOutcome, StoreError, VersionedStore};
///
/// /// Returns whether the credential is locked; `false` means "try again later".
/// async fn lock(locks: &dyn VersionedStore<CredentialLock>, command: &LockCommand) -> Result<bool, StoreError> {
///     for _attempt in 0..24 {
///         let stored = locks.read_linearizable(&command.user).await?;
///         let before = stored.unwrap_or_else(|| CredentialLock::never_locked(command.user.clone()));
///         let (after, new_events) = match before.lock(command) {
///             Some(locked) => {
///                 let event = events::lock_event(&locked, command);
///                 (locked, vec![event])
///             }
///             None => (before, Vec::new()),
///         };
///         match locks.save_if_version(&after, new_events).await? {
///             SaveOutcome::Saved => return Ok(true),
///             SaveOutcome::Conflict => {}
///             SaveOutcome::OutboxFull => return Ok(false),
///         }
///     }
///     Ok(false)
/// }
/// # use std::sync::Mutex;
/// # use async_trait::async_trait;
/// # use domain::{actor::Actor, event::{EventContext, NewEvent}, ids::{EventId, UserId}, time::Timestamp};
/// # struct InMemoryLocks(Mutex<(Option<CredentialLock>, Vec<SaveOutcome>)>);
/// # #[async_trait]
/// # impl VersionedStore<CredentialLock> for InMemoryLocks {
/// #     async fn find(&self, user: &UserId) -> Result<Option<CredentialLock>, StoreError> {
/// #         self.read_linearizable(user).await
/// #     }
/// #     async fn read_linearizable(&self, _: &UserId) -> Result<Option<CredentialLock>, StoreError> {
/// #         Ok(self.0.lock().unwrap().0.clone())
/// #     }
/// #     async fn save_if_version(&self, lock: &CredentialLock, _: Vec<NewEvent>) -> Result<SaveOutcome, StoreError> {
/// #         let (stored, outcomes) = &mut *self.0.lock().unwrap();
/// #         let outcome = outcomes.pop().unwrap();
/// #         if outcome == SaveOutcome::Saved {
/// #             *stored = Some(lock.clone());
/// #         }
/// #         Ok(outcome)
/// #     }
/// # }
/// # fn ready<T>(future: impl Future<Output = T>) -> T {
/// #     use std::task::{Context, Poll, Waker};
/// #     match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
/// #         Poll::Ready(output) => output,
/// #         Poll::Pending => panic!("a store in memory does not wait"),
/// #     }
/// # }
/// # let command = LockCommand {
/// #     user: UserId::parse("ana").unwrap(),
/// #     reason: None,
/// #     context: EventContext {
/// #         id: EventId("e1".to_owned()),
/// #         time: Timestamp::UNIX_EPOCH,
/// #         by: Actor::operator("admin"),
/// #         correlation_id: None,
/// #     },
/// # };
/// # let locks = InMemoryLocks(Mutex::new((None, vec![SaveOutcome::Saved, SaveOutcome::Conflict])));
/// # assert!(ready(lock(&locks, &command)).unwrap());
/// # assert!(locks.0.lock().unwrap().0.as_ref().unwrap().is_locked);
/// # locks.0.lock().unwrap().1.push(SaveOutcome::OutboxFull);
/// # assert!(!ready(lock(&locks, &command)).unwrap());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveOutcome {
    /// State and events are stored in one write, and the version is raised.
    Saved,
    /// Another caller has saved since the aggregate was found. Nothing was written: find it again and decide anew.
    Conflict,
    /// The outbox has no room for the events, because too many wait to be published. Nothing was written: 503.
    OutboxFull,
}
