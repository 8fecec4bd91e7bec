//! Reuses driver sessions.

use std::sync::{Arc, Mutex, PoisonError};

use mongodb::ClientSession;
use tokio::sync::OwnedMutexGuard;

use crate::connection::Connection;

/// A session, in the pool or in use. The call that acquired it holds the lock, so no other call uses it meanwhile.
pub(super) type PooledSession = Arc<tokio::sync::Mutex<ClientSession>>;

/// The idle sessions of a connection. They are reused because the driver spawns a task to end each session.
pub(super) struct SessionPool {
    connection: Arc<Connection>,
    is_causal: bool,
    idle: Mutex<Vec<PooledSession>>,
}

impl SessionPool {
    pub(super) fn new(connection: Arc<Connection>, is_causal: bool) -> Self {
        Self {
            connection,
            is_causal,
            idle: Mutex::default(),
        }
    }

    /// Takes an idle session or starts one, and returns it with its lock.
    pub(super) async fn acquire(&self) -> mongodb::error::Result<(PooledSession, OwnedMutexGuard<ClientSession>)> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let session = if let Some(session) = idle {
            session
        } else {
            let session = self.connection.start_session(self.is_causal).await?;
            Arc::new(tokio::sync::Mutex::new(session))
        };
        let guard = session.clone().lock_owned().await;
        Ok((session, guard))
    }

    /// Returns a session to the pool after its call succeeded. After a failed call, the caller drops the session
    /// instead: the server may still be executing that call, and the next call in the same session would wait for it.
    pub(super) fn release(&self, session: PooledSession) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
}
