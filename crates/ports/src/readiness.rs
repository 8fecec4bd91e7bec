use async_trait::async_trait;

/// Whether a backing service can be used now.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// What it is called in an answer to an operator.
    fn name(&self) -> &'static str;

    async fn is_ready(&self) -> bool;
}
