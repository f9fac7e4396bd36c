use std::collections::{BTreeMap, HashMap};

use tokio::sync::watch;

use vectr_delta::{ConflictId, ShardId};

/// Shard and peer whose sync brought a conflict. `None`: it was pending when the callback was set.
pub(crate) type Source = Option<(ShardId, String)>;

/// Becomes `Some` with the end of a decision: whether it resolved the conflict.
pub(crate) type Decided = watch::Receiver<Option<bool>>;

/// The decisions that are running and those that were made. No IO.
pub(crate) struct Decisions {
    running: HashMap<ConflictId, Running>,
    /// Number of running decisions that wait for no other decision.
    open: usize,
    /// Number of those that the callback is making.
    asking: usize,
    /// Number of decisions that wait for one that is running.
    followers: HashMap<ConflictId, usize>,
    /// Whether all that is open waits for the callback.
    idle: watch::Sender<bool>,
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
    pub(crate) fn new() -> Self {
        Self {
            running: HashMap::new(),
            open: 0,
            asking: 0,
            followers: HashMap::new(),
            idle: watch::Sender::new(true),
            asked: HashMap::new(),
            by_time: BTreeMap::new(),
            scopes: HashMap::new(),
            clock: 0,
        }
    }

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
        self.open += 1;
        self.update_idle();
        Ok(sender)
    }

    /// Notes that the callback is asked about a conflict now.
    pub(crate) fn remember(&mut self, id: ConflictId) {
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

    /// Notes that the callback starts (1) or stops (-1) making a decision.
    pub(crate) fn asking(&mut self, change: isize) {
        self.asking = self.asking.saturating_add_signed(change);
        self.update_idle();
    }

    /// Notes that a running decision ends no earlier than the one about `next`.
    pub(crate) fn follow(&mut self, next: ConflictId) {
        if self.running.contains_key(&next) {
            *self.followers.entry(next).or_default() += 1;
            self.open -= 1;
            self.update_idle();
        }
    }

    /// Ends a decision, counts a resolved conflict in all open scopes, and tells those who wait.
    pub(crate) fn end(&mut self, id: ConflictId, resolved: bool, decided: &watch::Sender<Option<bool>>) {
        let Some(Running { source, .. }) = self.running.remove(&id) else { return };
        if resolved {
            for scope in self.scopes.values_mut() {
                scope.entry(id).or_insert_with(|| Resolved::By(source.clone()));
            }
        }
        decided.send_replace(Some(resolved));
        self.open = self.open - 1 + self.followers.remove(&id).unwrap_or_default();
        self.update_idle();
    }

    /// Becomes true when all that is open waits for the callback: it is asked about everything, or about as much as it
    /// is at a time.
    pub(crate) fn idle(&self) -> watch::Receiver<bool> {
        self.idle.subscribe()
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

    fn update_idle(&self) {
        self.idle.send_replace(self.asking == self.open.min(AT_ONCE));
    }
}

/// The callback may ask a person or a service: run a few at a time.
pub(crate) const AT_ONCE: usize = 8;
/// A conflict that is forgotten is asked about once more.
const MAX_REMEMBERED: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ConflictId {
        format!("{n:032x}").parse().unwrap()
    }

    fn is_idle(decisions: &Decisions) -> bool {
        *decisions.idle().borrow()
    }

    #[test]
    fn decisions_are_idle_once_the_callback_is_asked_about_all_or_about_enough() {
        let mut decisions = Decisions::new();
        assert!(is_idle(&decisions));
        for n in 0..=AT_ONCE {
            decisions.begin(id(n as u8), None).unwrap();
        }
        for _ in 0..AT_ONCE {
            assert!(!is_idle(&decisions));
            decisions.asking(1);
        }
        assert!(is_idle(&decisions), "the callback is asked no more at a time");
        decisions.asking(-1);
        assert!(!is_idle(&decisions), "an answer is to be written");
    }

    #[test]
    fn a_decision_that_waits_for_another_is_open_again_when_that_ends() {
        let mut decisions = Decisions::new();
        let senders = [0, 1].map(|n| decisions.begin(id(n), None).unwrap());
        decisions.asking(1);
        assert!(!is_idle(&decisions));
        decisions.follow(id(1));
        assert!(is_idle(&decisions), "the callback is asked about what both wait for");
        decisions.asking(-1);
        decisions.end(id(1), true, &senders[1]);
        assert!(!is_idle(&decisions));
        decisions.end(id(0), true, &senders[0]);
        assert!(is_idle(&decisions));
    }
}
