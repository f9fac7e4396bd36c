use std::path::Path;
use std::sync::Arc;

use vectr_delta::CommitNo;

use crate::CoreError;
use crate::writer::durability::{Barrier, Durability};
use crate::writer::queue::{JobKind, WriteQueue};

/// Requests barriers from the writer. It is not a handle of the database and keeps nothing open, so the writer's thread
/// may hold it.
#[derive(Clone)]
pub(crate) struct Barriers {
    pub(crate) durability: Arc<Durability>,
    pub(crate) queue: WriteQueue,
    pub(crate) path: Arc<Path>,
}

impl Barriers {
    /// Starts to make a transaction durable, so that later waiters wait less.
    pub(crate) fn start(&self, commit_no: CommitNo) {
        self.durability.on_durable(commit_no, drop, |barrier| self.request(barrier));
    }

    /// Calls `done` once the transaction, which has been committed, is durable.
    pub(crate) fn on_durable(
        &self,
        commit_no: CommitNo,
        done: impl FnOnce(Result<CommitNo, CoreError>) + Send + 'static,
    ) {
        let path = Arc::clone(&self.path);
        let done =
            move |durable: Result<_, CoreError>| done(durable.map_err(|error| error.with_path(Some(&path))));
        self.durability.on_durable(commit_no, done, |barrier| self.request(barrier));
    }

    pub(crate) fn wait(&self, commit_no: CommitNo) -> Result<CommitNo, CoreError> {
        let durable = self.durability.wait(commit_no, |barrier| self.request(barrier));
        durable.map_err(|error| error.with_path(Some(&self.path)))
    }

    fn request(&self, mut barrier: Barrier) {
        self.queue.enqueue(JobKind::Autocommit, move |writer| match writer {
            Ok(writer) => {
                barrier.begin(writer.connection.committed().commit_no);
                barrier.end(&writer.barrier());
            }
            Err(refused) => barrier.end(&Err(refused)),
        });
    }
}
