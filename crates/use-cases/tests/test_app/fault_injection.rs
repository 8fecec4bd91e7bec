//! Ports with somebody in between: who may fail a call, take its answer away, or do something at that moment.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::client::Client;
use domain::event::NewEvent;
use domain::group::Group;
use domain::identity::Identity;
use domain::ids::{ClientId, FamilyId, UserId};
use domain::lock_status::LockStatus;
use domain::time::Timestamp;
use domain::tokens::{Nonce, PresentedToken, RefreshFamily, RevocationReason, ValidationToken, ValidationTokenHash};
use ports::tokens::{CloseOutcome, RefreshFamilies, RotationOutcome, ValidationTokens};
use ports::{ClientSaveOutcome, Clients, Groups, Identities, IdentitySaveOutcome, LockStatuses, StoreError};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};
use use_cases::tokens::TokensPorts;

/// Runs a future on a thread of its own, as a server's workers do: it need not be `Send`.
pub(crate) fn on_a_thread<F>(work: impl FnOnce() -> F + Send + 'static) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static>,
{
    let runtime = Handle::current();
    spawn_blocking(move || runtime.block_on(work()))
}

/// Somebody between a use case and its stores. Calls are named `<port>.<verb>`.
#[async_trait]
pub(crate) trait FaultInjector: Send + Sync {
    /// Before the call reaches the store; a failure keeps it away.
    async fn before(&self, _call: &'static str) -> Result<(), StoreError> {
        Ok(())
    }

    /// After the store has answered; a failure takes the answer's place.
    async fn after(&self, _call: &'static str) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A port with a injector before it.
pub(crate) struct Faulty<T: ?Sized> {
    inner: Arc<T>,
    injector: Arc<dyn FaultInjector>,
}

impl<T: ?Sized> Faulty<T> {
    pub(crate) fn new(inner: &Arc<T>, injector: &Arc<dyn FaultInjector>) -> Arc<Self> {
        Arc::new(Self {
            inner: inner.clone(),
            injector: injector.clone(),
        })
    }

    async fn call<A>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<A, StoreError>> + Send,
    ) -> Result<A, StoreError> {
        self.injector.before(name).await?;
        let answer = call.await?;
        self.injector.after(name).await?;
        Ok(answer)
    }
}

/// The stores of the tokens context, each with the injector before it.
pub(crate) fn with_faults(ports: &TokensPorts, injector: &Arc<dyn FaultInjector>) -> TokensPorts {
    TokensPorts {
        clients: Faulty::new(&ports.clients, injector),
        identities: Faulty::new(&ports.identities, injector),
        groups: Faulty::new(&ports.groups, injector),
        lock_statuses: Faulty::new(&ports.lock_statuses, injector),
        validation_tokens: Faulty::new(&ports.validation_tokens, injector),
        refresh_families: Faulty::new(&ports.refresh_families, injector),
        ..ports.clone()
    }
}

#[async_trait]
impl Clients for Faulty<dyn Clients> {
    async fn find(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.call("clients.find", self.inner.find(id)).await
    }

    async fn create(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        self.inner.create(client).await
    }

    async fn replace(&self, client: &Client) -> Result<ClientSaveOutcome, StoreError> {
        self.inner.replace(client).await
    }

    async fn page(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError> {
        self.inner.page(after, limit).await
    }
}

#[async_trait]
impl Identities for Faulty<dyn Identities> {
    async fn find(&self, id: &UserId) -> Result<Option<Identity>, StoreError> {
        self.call("identities.find", self.inner.find(id)).await
    }

    async fn find_by_login(&self, login: &str) -> Result<Option<Identity>, StoreError> {
        self.call("identities.find_by_login", self.inner.find_by_login(login))
            .await
    }

    async fn create(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError> {
        self.call("identities.create", self.inner.create(identity)).await
    }

    async fn replace(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError> {
        self.inner.replace(identity).await
    }

    async fn remove(&self, id: &UserId) -> Result<bool, StoreError> {
        self.inner.remove(id).await
    }

    async fn page(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<Identity>, StoreError> {
        self.inner.page(after, limit).await
    }
}

#[async_trait]
impl Groups for Faulty<dyn Groups> {
    async fn find(&self, names: &[String]) -> Result<Vec<Group>, StoreError> {
        self.call("groups.find", self.inner.find(names)).await
    }

    async fn save(&self, group: &Group) -> Result<(), StoreError> {
        self.inner.save(group).await
    }

    async fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.inner.remove(name).await
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<Group>, StoreError> {
        self.inner.page(after, limit).await
    }
}

#[async_trait]
impl LockStatuses for Faulty<dyn LockStatuses> {
    async fn read_linearizable(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        self.call("lock_statuses.look", self.inner.read_linearizable(user))
            .await
    }

    async fn read_after_write(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        self.call("lock_statuses.look_after_write", self.inner.read_after_write(user))
            .await
    }
}

#[async_trait]
impl ValidationTokens for Faulty<dyn ValidationTokens> {
    async fn issue(&self, token: &ValidationToken) -> Result<bool, StoreError> {
        self.call("validation_tokens.issue", self.inner.issue(token)).await
    }

    async fn find(&self, hash: &ValidationTokenHash, now: Timestamp) -> Result<Option<ValidationToken>, StoreError> {
        self.call("validation_tokens.find", self.inner.find(hash, now)).await
    }

    async fn read_linearizable(
        &self,
        hash: &ValidationTokenHash,
        now: Timestamp,
    ) -> Result<Option<ValidationToken>, StoreError> {
        self.call("validation_tokens.look", self.inner.read_linearizable(hash, now))
            .await
    }

    async fn consume(&self, hash: &ValidationTokenHash, client: &ClientId, now: Timestamp) -> Result<bool, StoreError> {
        self.call("validation_tokens.consume", self.inner.consume(hash, client, now))
            .await
    }
}

#[async_trait]
impl RefreshFamilies for Faulty<dyn RefreshFamilies> {
    async fn find(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.call("families.find", self.inner.find(id)).await
    }

    async fn read_linearizable(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.call("families.look", self.inner.read_linearizable(id)).await
    }

    async fn read_after_write(&self, id: &FamilyId) -> Result<Option<RefreshFamily>, StoreError> {
        self.call("families.look_after_write", self.inner.read_after_write(id))
            .await
    }

    async fn start(&self, family: &RefreshFamily, event: NewEvent) -> Result<bool, StoreError> {
        self.call("families.start", self.inner.start(family, event)).await
    }

    async fn rotate(
        &self,
        presented: &PresentedToken,
        nonce: Nonce,
        now: Timestamp,
        idle_lifetime: Duration,
    ) -> Result<RotationOutcome, StoreError> {
        self.call(
            "families.rotate",
            self.inner.rotate(presented, nonce, now, idle_lifetime),
        )
        .await
    }

    async fn close(
        &self,
        presented: &PresentedToken,
        now: Timestamp,
        grace: Duration,
    ) -> Result<CloseOutcome, StoreError> {
        self.call("families.close", self.inner.close(presented, now, grace))
            .await
    }

    async fn revoke(&self, id: &FamilyId, reason: RevocationReason, event: NewEvent) -> Result<bool, StoreError> {
        self.call("families.revoke", self.inner.revoke(id, reason, event)).await
    }
}

/// Remembers which calls there were.
#[derive(Default)]
pub(crate) struct Calls(Mutex<Vec<&'static str>>);

impl Calls {
    pub(crate) fn seen(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl FaultInjector for Calls {
    async fn before(&self, call: &'static str) -> Result<(), StoreError> {
        self.0.lock().unwrap().push(call);
        Ok(())
    }
}

/// How a store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outage {
    /// The call never reaches it.
    Away,
    /// It does what was asked, and the answer is lost.
    AnswerLost,
}

/// Fails one call, by its number from 0.
pub(crate) struct FailsOnce {
    number: usize,
    outage: Outage,
    calls: AtomicUsize,
    answers: AtomicUsize,
}

impl FailsOnce {
    pub(crate) fn at(number: usize, outage: Outage) -> Self {
        Self {
            number,
            outage,
            calls: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
        }
    }

    /// Whether it came to the call that fails.
    pub(crate) fn has_failed(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.number
    }
}

#[async_trait]
impl FaultInjector for FailsOnce {
    async fn before(&self, call: &'static str) -> Result<(), StoreError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        if self.outage == Outage::Away && number == self.number {
            return Err(StoreError::Unavailable(call.into()));
        }
        Ok(())
    }

    async fn after(&self, call: &'static str) -> Result<(), StoreError> {
        let number = self.answers.fetch_add(1, Ordering::SeqCst);
        if self.outage == Outage::AnswerLost && number == self.number {
            return Err(StoreError::OutcomeUnknown(call.into()));
        }
        Ok(())
    }
}

type Deed = Box<dyn FnOnce() -> JoinHandle<()> + Send>;

/// Does something once, right before or right after the first call of a name.
pub(crate) struct Meanwhile {
    call: &'static str,
    is_after: bool,
    deed: Mutex<Option<Deed>>,
}

impl Meanwhile {
    pub(crate) fn before<F: Future<Output = ()>>(
        call: &'static str,
        deed: impl FnOnce() -> F + Send + 'static,
    ) -> Arc<dyn FaultInjector> {
        Self::of(call, false, deed)
    }

    pub(crate) fn after<F: Future<Output = ()>>(
        call: &'static str,
        deed: impl FnOnce() -> F + Send + 'static,
    ) -> Arc<dyn FaultInjector> {
        Self::of(call, true, deed)
    }

    fn of<F: Future<Output = ()>>(
        call: &'static str,
        is_after: bool,
        deed: impl FnOnce() -> F + Send + 'static,
    ) -> Arc<dyn FaultInjector> {
        let deed: Deed = Box::new(move || on_a_thread(deed));
        Arc::new(Self {
            call,
            is_after,
            deed: Mutex::new(Some(deed)),
        })
    }

    async fn at(&self, call: &'static str) {
        let deed = if self.call == call {
            self.deed.lock().unwrap().take()
        } else {
            None
        };
        if let Some(deed) = deed {
            deed().await.unwrap();
        }
    }
}

#[async_trait]
impl FaultInjector for Meanwhile {
    async fn before(&self, call: &'static str) -> Result<(), StoreError> {
        if !self.is_after {
            self.at(call).await;
        }
        Ok(())
    }

    async fn after(&self, call: &'static str) -> Result<(), StoreError> {
        if self.is_after {
            self.at(call).await;
        }
        Ok(())
    }
}
