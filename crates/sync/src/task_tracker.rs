use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

/// Background tasks that `close` waits for: a stream's last bytes, a note in the database.
#[derive(Debug, Default)]
pub(crate) struct TaskTracker(Mutex<Vec<JoinHandle<()>>>);

impl TaskTracker {
    /// Adds a running task. It has to end by itself within a bounded time.
    pub(crate) fn track(&self, task: JoinHandle<()>) {
        let mut tasks = self.tasks();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    /// Waits until all tasks that were added by now have ended.
    pub(crate) async fn drain(&self) {
        let tasks = std::mem::take(&mut *self.tasks());
        for task in tasks {
            // A task that panicked has ended, too.
            let _ = task.await;
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
