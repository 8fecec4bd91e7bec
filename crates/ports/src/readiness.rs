use async_trait::async_trait;

/// The readiness of a backing service, such as the store or the key set.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Returns the service's name in the answer to an operator's probe.
    fn name(&self) -> &'static str;

    /// Returns whether the service can be used at present.
    async fn is_ready(&self) -> bool;
}
