use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Semaphore, watch};

use vectr_core::StoredConflict;
use vectr_delta::{ConflictId, ShardId, VectorId};

use crate::conflicts::callback::{ConflictCallback, ConflictOutcome};
use crate::conflicts::decisions::{Decided, Decisions, Source};
use crate::context::Context;
use crate::{Events, SyncError, SyncEvent, SyncFailure, SyncResult};

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
            decisions: Mutex::default(),
            listed: watch::Sender::new(false),
        });
        // Subscribe before the pending ones are read, so that none is missed in between.
        tokio::spawn(watch_conflicts(Arc::downgrade(&handler), context.events.subscribe()));
        handler
    }

    /// Counts what the callback resolves from now on, for the results of syncs that begin now. Waits until the conflicts
    /// that were pending have been read: one that such a sync brings would pass for one of them.
    pub(crate) async fn open_scope(self: &Arc<Self>) -> Scope {
        let mut listed = self.listed.subscribe();
        let mut closed = self.context.closing.token();
        tokio::select! {
            _ = listed.wait_for(|listed| *listed) => {}
            () = closed.cancelled() => {}
        }
        Scope { handler: Arc::clone(self), number: self.decisions().open_scope() }
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
                return self.fail(shard, None, &SyncFailure::from(&error));
            }
        };
        let new: Vec<_> = {
            let decisions = self.decisions();
            conflicts.into_iter().filter(|conflict| decisions.is_new(conflict.conflict)).collect()
        };
        let started = self.begin_all(new, &source);
        self.listed.send_replace(true);
        self.wait_all(started).await;
    }

    async fn list(&self, shard: Option<ShardId>) -> Result<Vec<StoredConflict>, SyncError> {
        self.context.blocking(move |db| db.pending_conflicts(shard.as_ref())).await
    }

    fn begin_all(self: &Arc<Self>, conflicts: Vec<StoredConflict>, source: &Source) -> Vec<Decided> {
        conflicts.into_iter().map(|conflict| self.decide(conflict, source.clone())).collect()
    }

    async fn wait_all(&self, started: Vec<Decided>) {
        for decided in started {
            self.wait(decided).await;
        }
    }

    /// Whether a decision resolved its conflict. Does not wait for a callback once the engine is closed.
    async fn wait(&self, mut decided: Decided) -> bool {
        let mut closed = self.context.closing.token();
        tokio::select! {
            end = decided.wait_for(Option::is_some) => end.is_ok_and(|end| *end == Some(true)),
            () = closed.cancelled() => false,
        }
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
    async fn ask(&self, conflict: StoredConflict) -> Decision {
        let Ok(_permit) = self.permits.acquire().await else { return Decision::Left };
        if self.context.ensure_open().is_err() {
            return Decision::Left;
        }
        let id = conflict.conflict;
        self.decisions().ask(id);
        // A task of its own turns a panic of the callback into a failure.
        let deciding = tokio::spawn(INSIDE_CALLBACK.scope((), self.callback.decide(conflict.clone())));
        let write = match deciding.await {
            Ok(Ok(Some(write))) => write,
            Ok(Ok(None)) => return Decision::Left,
            Ok(Err(error)) => return self.callback_failed(&conflict, &error.to_string()),
            Err(_) => return self.callback_failed(&conflict, "the callback panicked"),
        };
        if self.context.ensure_open().is_err() {
            return Decision::Left;
        }
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
            Err(error) if error.code() == "ERR_NOT_FOUND" => Decision::Left,
            Err(error) if STORAGE_CODES.contains(&error.code()) => {
                let failure = SyncFailure::from(&error);
                self.fail(Some(conflict.shard), Some(conflict.id), &failure);
                Decision::Left
            }
            Err(error) => self.callback_failed(&conflict, &error.to_string()),
        }
    }

    fn callback_failed(&self, conflict: &StoredConflict, message: &str) -> Decision {
        let failure = SyncFailure { code: "ERR_CONFLICT_CALLBACK".to_owned(), message: message.to_owned() };
        self.fail(Some(conflict.shard.clone()), Some(conflict.id.clone()), &failure);
        Decision::Left
    }

    fn fail(&self, shard: Option<ShardId>, vector: Option<VectorId>, failure: &SyncFailure) {
        if self.context.ensure_open().is_err() {
            return;
        }
        let about = vector.as_ref().map_or_else(String::new, |vector| format!(" about vector '{vector}'"));
        let message = format!("the conflict callback failed{about}: {}", failure.message);
        let failure = SyncFailure { code: failure.code.clone(), message };
        self.context
            .events
            .emit(&SyncEvent::ConflictCallbackFailed { shard: shard.clone(), failure: failure.clone() });
        self.callback.report(&ConflictOutcome::Failed { shard, vector, failure });
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
    /// Asks about the unresolved conflicts of a sync, waits for the decisions, and counts them in the result. Does not
    /// wait inside of the callback, which would wait for itself.
    pub(crate) async fn complete(&self, result: &mut SyncResult) {
        let handler = &self.handler;
        let source = Some((result.shard.clone(), result.address.clone()));
        let open: Vec<_> = {
            let decisions = handler.decisions();
            let conflicts = result.conflicts_unresolved.iter();
            conflicts.filter(|open| decisions.is_open(open.conflict, self.number)).cloned().collect()
        };
        let mut started = handler.begin_all(open, &source);
        // One whose write is done is in the list no more, but it is not counted before it ends.
        started.extend(handler.decisions().running(&source));
        if INSIDE_CALLBACK.try_with(|()| ()).is_err() {
            handler.wait_all(started).await;
        }
        result.conflicts_resolved += handler.decisions().count(self.number, &source);
        if result.conflicts_unresolved.is_empty() {
            return;
        }
        // A database that was closed in the meantime leaves the list as the sync read it.
        if let Ok(left) = handler.list(Some(result.shard.clone())).await {
            result.conflicts_unresolved = left;
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.handler.decisions().close_scope(self.number);
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
            let next = handler.decide(*left, source);
            handler.wait(next).await
        }
    };
    handler.decisions().end(id, resolved);
    decided.send_replace(Some(resolved));
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

/// The callback may ask a person or a service: run a few at a time.
const AT_ONCE: usize = 8;
const STORAGE_CODES: [&str; 3] = ["ERR_BUSY", "ERR_STORAGE", "ERR_TRANSACTION"];
