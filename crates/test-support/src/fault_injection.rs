//! Ports with a fault injector, which may fail a call, drop its answer, or run an action before or after it.

mod identities;
mod sessions;
mod versioned_stores;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::client::Client;
use domain::group::Group;
use domain::ids::{ClientId, UserId};
use domain::lock_status::LockStatus;
use domain::sessions::UsedOnceKey;
use domain::time::Timestamp;
use domain::tokens::{Consumption, ValidationToken, ValidationTokenHash};
use ports::sessions::UsedOnce;
use ports::tokens::ValidationTokens;
use ports::{ClientSaveOutcome, Clients, Groups, LockStatuses, StoreError, Stores};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

/// Runs a future on a thread of its own, like the workers of the server, so that it need not be `Send`.
pub fn on_a_thread<F>(work: impl FnOnce() -> F + Send + 'static) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static>,
{
    let runtime = Handle::current();
    spawn_blocking(move || runtime.block_on(work()))
}

/// Runs before and after each call of a use case to its stores. Calls are named `<port>.<method>`.
#[async_trait]
pub trait FaultInjector: Send + Sync {
    /// Runs before the call reaches the store. If it fails, the store is not called.
    async fn before(&self, _call: &'static str) -> Result<(), StoreError> {
        Ok(())
    }

    /// Runs after the store has answered. If it fails, its error replaces the answer.
    async fn after(&self, _call: &'static str) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A port with a fault injector.
pub struct Faulty<T: ?Sized> {
    inner: Arc<T>,
    injector: Arc<dyn FaultInjector>,
}

impl<T: ?Sized> Faulty<T> {
    pub fn new(inner: &Arc<T>, injector: &Arc<dyn FaultInjector>) -> Arc<Self> {
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

/// Returns the stores of users, clients and sessions, each with the injector.
pub fn with_faults(stores: &Stores, injector: &Arc<dyn FaultInjector>) -> Stores {
    Stores {
        clients: Faulty::new(&stores.clients, injector),
        identities: Faulty::new(&stores.identities, injector),
        groups: Faulty::new(&stores.groups, injector),
        lock_statuses: Faulty::new(&stores.lock_statuses, injector),
        sign_in_statuses: Faulty::new(&stores.sign_in_statuses, injector),
        validation_tokens: Faulty::new(&stores.validation_tokens, injector),
        refresh_families: Faulty::new(&stores.refresh_families, injector),
        used_once: Faulty::new(&stores.used_once, injector),
        credential_locks: Faulty::new(&stores.credential_locks, injector),
        factor_sets: Faulty::new(&stores.factor_sets, injector),
        ..stores.clone()
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
        self.call("lock_statuses.read_linearizable", self.inner.read_linearizable(user))
            .await
    }

    async fn read_after_write(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        self.call("lock_statuses.read_after_write", self.inner.read_after_write(user))
            .await
    }
}

#[async_trait]
impl ValidationTokens for Faulty<dyn ValidationTokens> {
    async fn issue(&self, token: &ValidationToken) -> Result<bool, StoreError> {
        self.call("validation_tokens.issue", self.inner.issue(token)).await
    }

    async fn find(&self, hash: &ValidationTokenHash) -> Result<Option<ValidationToken>, StoreError> {
        self.call("validation_tokens.find", self.inner.find(hash)).await
    }

    async fn read_linearizable(&self, hash: &ValidationTokenHash) -> Result<Option<ValidationToken>, StoreError> {
        self.call(
            "validation_tokens.read_linearizable",
            self.inner.read_linearizable(hash),
        )
        .await
    }

    async fn consume(
        &self,
        hash: &ValidationTokenHash,
        client: &ClientId,
        consumption: Consumption,
    ) -> Result<bool, StoreError> {
        let consumed = self.inner.consume(hash, client, consumption);
        self.call("validation_tokens.consume", consumed).await
    }
}

#[async_trait]
impl UsedOnce for Faulty<dyn UsedOnce> {
    async fn mark_used(&self, key: &UsedOnceKey, purge_at: Timestamp) -> Result<bool, StoreError> {
        self.call("used_once.mark_used", self.inner.mark_used(key, purge_at))
            .await
    }
}

/// Records the names of the calls.
#[derive(Default)]
pub struct RecordedCalls(Mutex<Vec<&'static str>>);

impl RecordedCalls {
    pub fn names(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl FaultInjector for RecordedCalls {
    async fn before(&self, call: &'static str) -> Result<(), StoreError> {
        self.0.lock().unwrap().push(call);
        Ok(())
    }
}

/// The way in which a store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// The call never reaches the store.
    Unreachable,
    /// The call is carried out, and its answer is lost.
    AnswerLost,
}

/// Fails one call, counted from 0.
pub struct FailNthCall {
    number: usize,
    outage: Outage,
    calls: AtomicUsize,
    answers: AtomicUsize,
}

impl FailNthCall {
    pub fn new(number: usize, outage: Outage) -> Self {
        Self {
            number,
            outage,
            calls: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
        }
    }

    /// Returns whether the failing call was made.
    pub fn has_failed(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.number
    }
}

#[async_trait]
impl FaultInjector for FailNthCall {
    async fn before(&self, call: &'static str) -> Result<(), StoreError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        if self.outage == Outage::Unreachable && number == self.number {
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

type Action = Box<dyn FnOnce() -> JoinHandle<()> + Send>;

/// Runs an action once, right before or right after the first call of a name.
pub struct Interleave {
    call: &'static str,
    is_after: bool,
    action: Mutex<Option<Action>>,
}

impl Interleave {
    pub fn before<F: Future<Output = ()>>(
        call: &'static str,
        action: impl FnOnce() -> F + Send + 'static,
    ) -> Arc<dyn FaultInjector> {
        Self::build(call, false, action)
    }

    pub fn after<F: Future<Output = ()>>(
        call: &'static str,
        action: impl FnOnce() -> F + Send + 'static,
    ) -> Arc<dyn FaultInjector> {
        Self::build(call, true, action)
    }

    fn build<F: Future<Output = ()>>(
        call: &'static str,
        is_after: bool,
        action: impl FnOnce() -> F + Send + 'static,
    ) -> Arc<dyn FaultInjector> {
        let action: Action = Box::new(move || on_a_thread(action));
        Arc::new(Self {
            call,
            is_after,
            action: Mutex::new(Some(action)),
        })
    }

    async fn run_if(&self, call: &'static str) {
        let action = if self.call == call {
            self.action.lock().unwrap().take()
        } else {
            None
        };
        if let Some(action) = action {
            action().await.unwrap();
        }
    }
}

#[async_trait]
impl FaultInjector for Interleave {
    async fn before(&self, call: &'static str) -> Result<(), StoreError> {
        if !self.is_after {
            self.run_if(call).await;
        }
        Ok(())
    }

    async fn after(&self, call: &'static str) -> Result<(), StoreError> {
        if self.is_after {
            self.run_if(call).await;
        }
        Ok(())
    }
}
