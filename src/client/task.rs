//! Work that continues while nobody polls it.

use std::future::Future;

use tokio::task::JoinSet;

/// Runs a future as a task, so that it continues while nobody polls it: one that stops halfway would keep what others wait for.
/// Dropping it cancels the task. `None` if the task ended with its runtime, or panicked.
pub(crate) fn spawned<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = Option<T>> + Send {
    let mut task = JoinSet::new();
    task.spawn(future);
    async move { task.join_next().await.and_then(Result::ok) }
}
