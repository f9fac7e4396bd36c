use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Semaphore, watch};

use vectr_core::StoredConflict;
use vectr_delta::{ConflictId, ShardId};

use crate::conflicts::callback::{ConflictCallback, ConflictDecision, ConflictOutcome};
use crate::conflicts::decisions::{AT_ONCE, Decided, Decisions, Source};
use crate::context::Context;
use crate::options::Limits;
use crate::{Events, Patience, SyncError, SyncEvent, SyncFailure, SyncResult};

/// Asks the callback of an engine about each pending conflict, and writes its decisions.
pub(crate) struct ConflictHandler {
    context: Arc<Context>,
    callback: ConflictCallback,
    permits: Semaphore,
    decisions: Mutex<Decisions>,
    /// Whether the conflicts that were pending when the callback was set have been read.
    listed: watch::Sender<bool>,
}

impl ConflictHandler {
    /// Asks about the pending conflicts, and about new ones until the handler is dropped or the engine is closed.
    pub(crate) fn start(context: &Arc<Context>, callback: ConflictCallback) -> Arc<Self> {
        let handler = Arc::new(Self {
            context: Arc::clone(context),
            callback,
            permits: Semaphore::new(AT_ONCE),
            decisions: Mutex::new(Decisions::new()),
            listed: watch::Sender::new(false),
        });
        // Subscribe before the pending ones are read, so that none is missed in between.
        tokio::spawn(watch_conflicts(Arc::downgrade(&handler), context.events.subscribe()));
        handler
    }

    /// Counts what the callback resolves from now on, for the results of syncs that begin now. Waits until the conflicts
    /// that were pending have been read: one that such a sync brings would pass for one of them.
    pub(crate) async fn open_scope(self: &Arc<Self>) -> Scope {
        self.listed().await;
        Scope { handler: Arc::clone(self), number: self.decisions().open_scope() }
    }

    /// Waits until the pending conflicts have been read, and all that is open waits for the callback.
    pub(crate) async fn idle(&self) {
        self.listed().await;
        let mut idle = self.decisions().idle();
        // Cannot fail: the handler holds the sender.
        let _ = idle.wait_for(|idle| *idle).await;
    }

    /// Asks about nothing more. Decisions that are running are still written.
    pub(crate) fn retire(&self) {
        self.permits.close();
    }

    /// Asks about the pending conflicts that the callback has not been asked about.
    async fn decide_new(self: &Arc<Self>, source: Source) {
        let shard = source.as_ref().map(|(shard, _)| shard.clone());
        let listed = self.list(shard.clone()).await;
        let conflicts = match listed {
            Ok(conflicts) => conflicts,
            Err(error) => {
                self.listed.send_replace(true);
                return self.fail(shard, None, error.code(), SyncFailure::from(&error));
            }
        };
        let new: Vec<_> = {
            let decisions = self.decisions();
            conflicts.into_iter().filter(|conflict| decisions.is_new(conflict.conflict)).collect()
        };
        self.begin_all(new, &source);
        self.listed.send_replace(true);
    }

    async fn listed(&self) {
        let mut listed = self.listed.subscribe();
        let mut closed = self.context.closing.token();
        tokio::select! {
            _ = listed.wait_for(|listed| *listed) => {}
            () = closed.cancelled() => {}
        }
    }

    async fn list(&self, shard: Option<ShardId>) -> Result<Vec<StoredConflict>, SyncError> {
        self.context.blocking(move |db| db.pending_conflicts(shard.as_ref())).await
    }

    fn begin_all(self: &Arc<Self>, conflicts: Vec<StoredConflict>, source: &Source) -> Vec<Decided> {
        conflicts.into_iter().map(|conflict| self.decide(conflict, source.clone())).collect()
    }

    /// Whether a decision resolved its conflict.
    async fn wait(&self, mut decided: Decided) -> bool {
        decided.wait_for(Option::is_some).await.is_ok_and(|end| *end == Some(true))
    }

    /// Starts a decision, unless one about this conflict is running.
    fn decide(self: &Arc<Self>, conflict: StoredConflict, source: Source) -> Decided {
        match self.decisions().begin(conflict.conflict, source.clone()) {
            Err(running) => running,
            Ok(sender) => {
                let decided = sender.subscribe();
                tokio::spawn(run_decision(Arc::clone(self), conflict, source, sender));
                decided
            }
        }
    }

    /// Asks the callback and writes its decision.
    async fn ask(self: &Arc<Self>, conflict: StoredConflict) -> Decision {
        let Ok(_permit) = self.permits.acquire().await else { return Decision::Left };
        if self.context.ensure_open().is_err() {
            return Decision::Left;
        }
        let id = conflict.conflict;
        self.decisions().remember(id);
        let write = match self.call(conflict.clone()).await {
            Ok(Some(write)) if self.context.ensure_open().is_ok() => write,
            Ok(_) => return self.leave(conflict),
            Err(error) => {
                return self.fail_about(
                    conflict,
                    CALLBACK_FAILED,
                    SyncFailure { code: CALLBACK_FAILED.to_owned(), message: error.to_string() },
                );
            }
        };
        let (shard, vector) = (conflict.shard.clone(), conflict.id.clone());
        let written =
            self.context.blocking(move |db| db.resolve_conflict(&id, Some((&shard, &vector)), write)).await;
        match written {
            Ok(left) => {
                self.decisions().forget(id);
                let left = left.map(Box::new);
                let conflict = Box::new(conflict);
                self.callback.report(&ConflictOutcome::Resolved { conflict, left: left.clone() });
                left.map_or(Decision::Resolved, Decision::Reopened)
            }
            // It was resolved by somebody else in the meantime.
            Err(error) if error.code() == "ERR_NOT_FOUND" => self.leave(conflict),
            Err(error) => {
                let code = if STORAGE_CODES.contains(&error.code()) { error.code() } else { CALLBACK_FAILED };
                self.fail_about(conflict, code, SyncFailure::from(&error))
            }
        }
    }

    /// Calls the callback. Gives up when the engine is closed.
    async fn call(self: &Arc<Self>, conflict: StoredConflict) -> ConflictDecision {
        let handler = Arc::clone(self);
        let calling = async move {
            let deciding = handler.callback.decide(conflict);
            let _asking = Asking::new(&handler);
            deciding.await
        };
        // A task of its own turns a panic of the callback into a failure.
        let mut task = tokio::spawn(INSIDE_CALLBACK.scope((), calling));
        let mut closed = self.context.closing.token();
        tokio::select! {
            decision = &mut task => decision.unwrap_or_else(|_| Err("the callback panicked".into())),
            () = closed.cancelled() => {
                task.abort();
                Ok(None)
            }
        }
    }

    fn leave(&self, conflict: StoredConflict) -> Decision {
        self.callback.report(&ConflictOutcome::Left { conflict: Box::new(conflict) });
        Decision::Left
    }

    fn fail_about(&self, conflict: StoredConflict, code: &str, cause: SyncFailure) -> Decision {
        if self.context.ensure_open().is_err() {
            return self.leave(conflict);
        }
        self.fail(Some(conflict.shard.clone()), Some(&conflict), code, cause);
        Decision::Left
    }

    fn fail(
        &self,
        shard: Option<ShardId>,
        conflict: Option<&StoredConflict>,
        code: &str,
        cause: SyncFailure,
    ) {
        if self.context.ensure_open().is_err() {
            return;
        }
        let about = conflict.map_or_else(String::new, |conflict| format!(" about vector '{}'", conflict.id));
        let message = format!("the conflict callback failed{about}: {}", cause.message);
        let failure = SyncFailure { code: code.to_owned(), message };
        self.context
            .events
            .emit(&SyncEvent::ConflictCallbackFailed { shard: shard.clone(), failure: failure.clone() });
        let (vector, conflict) = conflict.map(|conflict| (conflict.id.clone(), conflict.conflict)).unzip();
        self.callback.report(&ConflictOutcome::Failed { shard, vector, conflict, failure, cause });
    }

    fn decisions(&self) -> MutexGuard<'_, Decisions> {
        self.decisions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Syncs during which the callback may resolve conflicts; see [`ConflictHandler::open_scope`].
pub(crate) struct Scope {
    handler: Arc<ConflictHandler>,
    number: u64,
}

impl Scope {
    /// Asks about the unresolved conflicts of a sync.
    pub(crate) fn begin(&self, result: &SyncResult) -> Vec<Decided> {
        let handler = &self.handler;
        let source = source_of(result);
        let open: Vec<_> = {
            let decisions = handler.decisions();
            let conflicts = result.conflicts_unresolved.iter();
            conflicts.filter(|open| decisions.is_open(open.conflict, self.number)).cloned().collect()
        };
        let mut started = handler.begin_all(open, &source);
        // One whose write is done is in the list no more, but it is not counted before it ends.
        started.extend(handler.decisions().running(&source));
        started
    }

    /// Waits for decisions, and removes those that have ended. Returns false if `patience` runs out first. Inside of the
    /// callback it does not wait: it would wait for itself.
    ///
    /// # Errors
    /// `ERR_CLOSED`, `ERR_ABORTED`, and `ERR_TIMEOUT` once the time is up.
    pub(crate) async fn wait(
        &self,
        started: &mut Vec<Decided>,
        patience: Patience,
        limits: &Limits,
    ) -> Result<bool, SyncError> {
        if patience == Patience::None || INSIDE_CALLBACK.try_with(|()| ()).is_ok() {
            return Ok(true);
        }
        let (mut closed, mut aborted) = (self.handler.context.closing.token(), limits.abort.clone());
        let mut late = pin!(limits.late());
        let mut idle = self.handler.decisions().idle();
        while let Some(next) = started.last().cloned() {
            let has_ended = tokio::select! {
                biased;
                () = closed.cancelled() => return Err(SyncError::Closed),
                () = aborted.cancelled() => return Err(SyncError::Aborted),
                _ = self.handler.wait(next.clone()) => true,
                error = &mut late => return Err(error),
                // It may have ended just before.
                _ = idle.wait_for(|idle| *idle), if patience == Patience::UntilAsked => next.borrow().is_some(),
            };
            if !has_ended {
                return Ok(false);
            }
            started.pop();
        }
        Ok(true)
    }

    /// Fails a sync whose time is up, unless it has failed already.
    pub(crate) fn give_up(&self, result: &mut SyncResult, error: &SyncError) {
        if result.failure.is_none() {
            let failure = self.handler.context.report_failure(&result.shard, &result.address, error);
            result.failure = Some(failure);
        }
    }

    /// Counts the decisions about a sync's conflicts in its result.
    pub(crate) async fn count(&self, result: &mut SyncResult) {
        result.conflicts_resolved += self.handler.decisions().count(self.number, &source_of(result));
        if result.conflicts_unresolved.is_empty() {
            return;
        }
        // A database that was closed in the meantime leaves the list as the sync read it.
        if let Ok(left) = self.handler.list(Some(result.shard.clone())).await {
            result.conflicts_unresolved = left;
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.handler.decisions().close_scope(self.number);
    }
}

fn source_of(result: &SyncResult) -> Source {
    Some((result.shard.clone(), result.address.clone()))
}

/// A call of the callback that is running.
struct Asking(Arc<ConflictHandler>);

impl Asking {
    fn new(handler: &Arc<ConflictHandler>) -> Self {
        handler.decisions().asking(1);
        Self(Arc::clone(handler))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.decisions().asking(-1);
    }
}

enum Decision {
    Resolved,
    /// The conflict stays.
    Left,
    /// Resolved, but a version that the callback had not seen is left as another conflict.
    Reopened(Box<StoredConflict>),
}

async fn run_decision(
    handler: Arc<ConflictHandler>,
    conflict: StoredConflict,
    source: Source,
    decided: watch::Sender<Option<bool>>,
) {
    let id: ConflictId = conflict.conflict;
    let resolved = match handler.ask(conflict).await {
        Decision::Resolved => true,
        Decision::Left => false,
        Decision::Reopened(left) => {
            let next = left.conflict;
            let decided = handler.decide(*left, source);
            handler.decisions().follow(next);
            handler.wait(decided).await
        }
    };
    handler.decisions().end(id, resolved, &decided);
}

async fn watch_conflicts(handler: Weak<ConflictHandler>, mut events: Events) {
    if let Some(handler) = handler.upgrade() {
        handler.decide_new(None).await;
    }
    while let Some(event) = events.next().await {
        let SyncEvent::Conflict { shard, address, resolved: false, .. } = event else { continue };
        let Some(handler) = handler.upgrade() else { return };
        handler.decide_new(Some((shard, address))).await;
    }
}

tokio::task_local! {
    /// Set while the callback runs.
    static INSIDE_CALLBACK: ();
}

const CALLBACK_FAILED: &str = "ERR_CONFLICT_CALLBACK";
const STORAGE_CODES: [&str; 3] = ["ERR_BUSY", "ERR_STORAGE", "ERR_TRANSACTION"];
