use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use vectr_core::StoredConflict;
use vectr_delta::{ConflictId, LocalWrite, ShardId, VectorId};

use crate::SyncFailure;

/// Decision of a [`ConflictCallback`]: the write that resolves the conflict, or `None` to leave it to others.
pub type ConflictDecision = Result<Option<LocalWrite>, Box<dyn Error + Send + Sync>>;

/// Decides conflicts that the manual strategy leaves unresolved; see [`SyncEngine::on_conflict`].
///
/// [`SyncEngine::on_conflict`]: crate::SyncEngine::on_conflict
#[derive(Clone)]
pub struct ConflictCallback {
    decide: Arc<dyn Fn(StoredConflict) -> Deciding + Send + Sync>,
    report: Option<Report>,
}

/// What became of a decision.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ConflictOutcome {
    /// The decision was written.
    Resolved {
        /// The conflict that was decided.
        conflict: Box<StoredConflict>,
        /// The conflict that is left, if a version arrived that the callback had not seen. It is decided next.
        left: Option<Box<StoredConflict>>,
    },
    /// Nothing was written: the callback leaves the conflict, somebody else has resolved it, or the engine was closed.
    Left {
        /// The conflict.
        conflict: Box<StoredConflict>,
    },
    /// The callback failed, or its decision could not be written. The conflict stays.
    Failed {
        /// The shard; `None` if the pending conflicts of all shards could not be read.
        shard: Option<ShardId>,
        /// The vector; `None` if the pending conflicts could not be read.
        vector: Option<VectorId>,
        /// The conflict; `None` if the pending conflicts could not be read.
        conflict: Option<ConflictId>,
        /// The reason: `ERR_CONFLICT_CALLBACK`, or the code of a storage error.
        failure: SyncFailure,
        /// The error of the callback or of the write, with its own code.
        cause: SyncFailure,
    },
}

type Report = Arc<dyn Fn(&ConflictOutcome) + Send + Sync>;
pub(crate) type Deciding = Pin<Box<dyn Future<Output = ConflictDecision> + Send>>;

impl ConflictCallback {
    /// A callback that decides with an async function. It runs for several conflicts at a time.
    pub fn new<D, F>(decide: D) -> Self
    where
        D: Fn(StoredConflict) -> F + Send + Sync + 'static,
        F: Future<Output = ConflictDecision> + Send + 'static,
    {
        Self { decide: Arc::new(move |conflict| Box::pin(decide(conflict))), report: None }
    }

    /// Calls `report` for each outcome, once for each call of the callback and before a sync that waits for it ends.
    /// Default: failures are events only. `report` must not block.
    #[must_use]
    pub fn on_outcome(mut self, report: impl Fn(&ConflictOutcome) + Send + Sync + 'static) -> Self {
        self.report = Some(Arc::new(report));
        self
    }

    pub(crate) fn decide(&self, conflict: StoredConflict) -> Deciding {
        (self.decide)(conflict)
    }

    pub(crate) fn report(&self, outcome: &ConflictOutcome) {
        if let Some(report) = &self.report {
            report(outcome);
        }
    }
}
