use crate::CommandError;

/// Runs the future on a single-threaded Tokio runtime. One thread suffices, because actix's workers and the store's
/// threads do the work.
pub(crate) fn on_runtime<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(CommandError::context("the runtime cannot be started"))?
        .block_on(work)
}
