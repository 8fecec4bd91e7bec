use tokio::sync::watch;

/// The signal that the shutdown of the process has begun. It becomes true once and stays true. Waiting requests end
/// then.
#[derive(Clone)]
pub(crate) struct Shutdown(pub(crate) watch::Receiver<bool>);

impl Shutdown {
    /// Returns whether the shutdown has begun.
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes when the shutdown begins.
    pub(crate) async fn wait(&mut self) {
        // An error means that the sender was dropped, so the part of the process that owned it has stopped too.
        let _ = self.0.wait_for(|has_begun| *has_begun).await;
    }
}
