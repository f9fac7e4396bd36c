use crate::conflicts::decisions::Decided;
use crate::conflicts::handler::Scope;
use crate::options::Limits;
use crate::{Patience, SyncError, SyncResult};

/// Syncs that have exchanged their changes, and whose conflicts the callback of [`SyncEngine::on_conflict`] may still
/// have to decide. [`SyncEngine::sync`] does all of it in one call.
///
/// [`SyncEngine::on_conflict`]: crate::SyncEngine::on_conflict
/// [`SyncEngine::sync`]: crate::SyncEngine::sync
pub struct Exchange {
    results: Vec<SyncResult>,
    /// The number of results that are complete.
    complete: usize,
    /// The decisions that the next result waits for, once they are begun.
    started: Option<Vec<Decided>>,
    scope: Option<Scope>,
    limits: Limits,
}

impl Exchange {
    pub(crate) const fn new(results: Vec<SyncResult>, scope: Option<Scope>, limits: Limits) -> Self {
        Self { results, complete: 0, started: None, scope, limits }
    }

    /// Has the callback decide the conflicts that the syncs left, and returns the results, which count the resolved ones.
    /// `None` if `patience` ran out: call it again once the callback has answered. Inside of the callback it does not
    /// wait. Once the time of the sync is up it waits no longer: the results are those of then, with the failure
    /// `ERR_TIMEOUT`. Cancel-safe.
    ///
    /// # Errors
    /// `ERR_CLOSED` if the engine is closed and `ERR_ABORTED` on abort, while it waits.
    pub async fn settle(&mut self, patience: Patience) -> Result<Option<Vec<SyncResult>>, SyncError> {
        let Some(scope) = &self.scope else { return Ok(Some(std::mem::take(&mut self.results))) };
        while let Some(result) = self.results.get_mut(self.complete) {
            let started = self.started.get_or_insert_with(|| scope.begin(result));
            match scope.wait(started, patience, &self.limits).await {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error @ SyncError::Late { .. }) => scope.give_up(result, &error),
                Err(error) => return Err(error),
            }
            scope.count(result).await;
            self.started = None;
            self.complete += 1;
        }
        self.scope = None;
        Ok(Some(std::mem::take(&mut self.results)))
    }

    /// As [`Exchange::settle`] with all patience.
    pub(crate) async fn decided(mut self) -> Result<Vec<SyncResult>, SyncError> {
        Ok(self.settle(Patience::Unlimited).await?.unwrap_or_default())
    }
}
