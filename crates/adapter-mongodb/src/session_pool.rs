use std::sync::{Arc, Mutex, PoisonError};

use mongodb::{Client, ClientSession};
use tokio::sync::OwnedMutexGuard;

/// A session that is used again after the call it is lent to; nobody else has it meanwhile.
pub(crate) type PooledSession = Arc<tokio::sync::Mutex<ClientSession>>;

/// Sessions that wait for their next call. To begin and to end one costs the driver a task of its own each time.
pub(crate) struct SessionPool {
    client: Client,
    causal: bool,
    idle: Mutex<Vec<PooledSession>>,
}

impl SessionPool {
    pub(crate) fn new(client: Client, causal: bool) -> Self {
        Self {
            client,
            causal,
            idle: Mutex::default(),
        }
    }

    /// A session, and the right to use it.
    pub(crate) async fn acquire(&self) -> mongodb::error::Result<(PooledSession, OwnedMutexGuard<ClientSession>)> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let lent = if let Some(lent) = idle {
            lent
        } else {
            let started = self.client.start_session().causal_consistency(self.causal).await?;
            Arc::new(tokio::sync::Mutex::new(started))
        };
        let guard = lent.clone().lock_owned().await;
        Ok((lent, guard))
    }

    /// After a call that did not fail: the server may still be busy with one that did, and the next would wait for it.
    pub(crate) fn release(&self, lent: PooledSession) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(lent);
    }
}
