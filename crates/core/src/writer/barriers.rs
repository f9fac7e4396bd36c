use std::fmt;
use std::path::Path;
use std::sync::Arc;

use vectr_delta::CommitNo;

use crate::CoreError;
use crate::writer::durability::{Barrier, Durability};
use crate::writer::queue::{Desk, Scope};

/// Makes the transactions of a database durable. It is no handle of the database, and keeps nothing open: so the
/// writer's thread may hold it.
#[derive(Clone)]
pub struct Barriers {
    pub(crate) durability: Arc<Durability>,
    pub(crate) desk: Desk,
    pub(crate) path: Arc<Path>,
}

impl Barriers {
    /// Begins to make a transaction durable where nobody has yet. Who waits for it later waits the shorter.
    pub fn start(&self, commit_no: CommitNo) {
        self.durability.when(commit_no, drop, |barrier| self.order(barrier));
    }

    /// Calls `done` once the transaction, which has been committed, is durable.
    pub(crate) fn when(
        &self,
        commit_no: CommitNo,
        done: impl FnOnce(Result<CommitNo, CoreError>) + Send + 'static,
    ) {
        let path = Arc::clone(&self.path);
        let done = move |durable: Result<_, CoreError>| done(durable.map_err(|error| error.at(Some(&path))));
        self.durability.when(commit_no, done, |barrier| self.order(barrier));
    }

    pub(crate) fn wait(&self, commit_no: CommitNo) -> Result<CommitNo, CoreError> {
        let durable = self.durability.wait(commit_no, |barrier| self.order(barrier));
        durable.map_err(|error| error.at(Some(&self.path)))
    }

    fn order(&self, mut barrier: Barrier) {
        self.desk.hand_in(Scope::Outside, move |writer| match writer {
            Ok(writer) => {
                barrier.begin(writer.ledger.committed().commit_no);
                barrier.end(&writer.barrier());
            }
            Err(refused) => barrier.end(&Err(refused)),
        });
    }
}

impl fmt::Debug for Barriers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barriers").field("path", &self.path).finish()
    }
}
