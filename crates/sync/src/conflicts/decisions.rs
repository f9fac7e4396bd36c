use std::collections::{BTreeMap, HashMap};

use tokio::sync::watch;

use vectr_delta::{ConflictId, ShardId};

/// Shard and peer whose sync brought a conflict. `None`: it was pending when the callback was set.
pub(crate) type Source = Option<(ShardId, String)>;

/// Becomes `Some` with the end of a decision: whether it resolved the conflict.
pub(crate) type Decided = watch::Receiver<Option<bool>>;

/// The decisions that are running and those that were made. No IO.
#[derive(Default)]
pub(crate) struct Decisions {
    running: HashMap<ConflictId, Running>,
    /// When the callback was last asked about a conflict that still stands.
    asked: HashMap<ConflictId, u64>,
    /// The same by time, to forget the oldest.
    by_time: BTreeMap<u64, ConflictId>,
    scopes: HashMap<u64, HashMap<ConflictId, Resolved>>,
    clock: u64,
}

struct Running {
    decided: Decided,
    source: Source,
}

/// A conflict that was resolved within a scope.
#[derive(Clone, PartialEq, Eq)]
enum Resolved {
    By(Source),
    /// A result includes it already.
    Counted,
}

impl Decisions {
    /// Registers a decision. If one about the same conflict is running, returns that one instead.
    pub(crate) fn begin(
        &mut self,
        id: ConflictId,
        source: Source,
    ) -> Result<watch::Sender<Option<bool>>, Decided> {
        if let Some(running) = self.running.get(&id) {
            return Err(running.decided.clone());
        }
        let (sender, decided) = watch::channel(None);
        self.running.insert(id, Running { decided, source });
        Ok(sender)
    }

    /// Notes that the callback is asked now.
    pub(crate) fn ask(&mut self, id: ConflictId) {
        self.forget(id);
        self.clock += 1;
        self.asked.insert(id, self.clock);
        self.by_time.insert(self.clock, id);
        if self.asked.len() > MAX_REMEMBERED
            && let Some((_, oldest)) = self.by_time.pop_first()
        {
            self.asked.remove(&oldest);
        }
    }

    /// Ends a decision, and counts a resolved conflict in all open scopes.
    pub(crate) fn end(&mut self, id: ConflictId, resolved: bool) {
        let Some(Running { source, .. }) = self.running.remove(&id) else { return };
        if resolved {
            for scope in self.scopes.values_mut() {
                scope.entry(id).or_insert_with(|| Resolved::By(source.clone()));
            }
        }
    }

    /// The decisions about conflicts of a source that are running.
    pub(crate) fn running(&self, source: &Source) -> Vec<Decided> {
        let of_source = self.running.values().filter(|running| running.source == *source);
        of_source.map(|running| running.decided.clone()).collect()
    }

    /// Forgets that the callback was asked about a conflict, which is gone.
    pub(crate) fn forget(&mut self, id: ConflictId) {
        if let Some(at) = self.asked.remove(&id) {
            self.by_time.remove(&at);
        }
    }

    /// Whether the callback has never been asked about a conflict.
    pub(crate) fn is_new(&self, id: ConflictId) -> bool {
        !self.asked.contains_key(&id) && !self.running.contains_key(&id)
    }

    /// From now on counts the conflicts that are resolved, until the scope is closed.
    pub(crate) fn open_scope(&mut self) -> u64 {
        self.clock += 1;
        self.scopes.insert(self.clock, HashMap::new());
        self.clock
    }

    pub(crate) fn close_scope(&mut self, scope: u64) {
        self.scopes.remove(&scope);
    }

    /// Whether a sync in this scope waits for a decision: one is running, or the last one was before the scope.
    pub(crate) fn is_open(&self, id: ConflictId, scope: u64) -> bool {
        let resolved = self.scopes.get(&scope).is_some_and(|resolved| resolved.contains_key(&id));
        !resolved
            && (self.running.contains_key(&id) || self.asked.get(&id).is_none_or(|asked| *asked < scope))
    }

    /// Number of conflicts of a source that were resolved within the scope. Each one counts once.
    pub(crate) fn count(&mut self, scope: u64, source: &Source) -> u64 {
        let Some(resolved) = self.scopes.get_mut(&scope) else { return 0 };
        let uncounted = Resolved::By(source.clone());
        let counted = resolved.values_mut().filter(|resolved| **resolved == uncounted);
        counted.map(|resolved| *resolved = Resolved::Counted).count() as u64
    }
}

/// A conflict that is forgotten is asked about once more.
const MAX_REMEMBERED: usize = 10_000;
