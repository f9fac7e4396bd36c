use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use vectr_delta::{ChangeId, CommitNo, NodeName, Origin, ShardId, SiteId, Timestamp};

use crate::CoreError;
use crate::storage::catalog::Counters;
use crate::writer::log_watch::LogExcess;

/// Publishes the writer's commits to readers and listeners, and what there is to tell of the log.
pub(crate) struct CommitNotifier {
    commit_no: AtomicU64,
    change_id: AtomicU64,
    origin: Mutex<Origin>,
    /// When the newest row of what was told was applied. Held while it is told, so that all hear of commits in their order.
    told: Mutex<Timestamp>,
    listeners: Mutex<Listeners>,
    heads: Mutex<Heads>,
}

/// What a transaction has changed of what sessions tell their peers.
pub(crate) enum Changes {
    /// Of each shard: the site of all.
    All,
    /// Of these; none if it only noted something about peers.
    Of(Vec<ShardId>),
}

impl Changes {
    fn concern(&self, shard: &ShardId) -> bool {
        match self {
            Self::All => true,
            Self::Of(shards) => shards.contains(shard),
        }
    }
}

/// The last transaction that changed a shard.
struct Heads {
    by_shard: HashMap<ShardId, CommitNo>,
    /// Of shards that are not listed: that transaction, or a later one.
    others: CommitNo,
}

impl Heads {
    fn of(&self, shard: &ShardId) -> CommitNo {
        self.by_shard.get(shard).copied().unwrap_or(self.others)
    }

    fn advance(&mut self, commit_no: CommitNo, changes: &Changes) {
        match changes {
            Changes::Of(shards) if self.by_shard.len() + shards.len() <= MOST_HEADS => {
                self.by_shard.extend(shards.iter().map(|shard| (shard.clone(), commit_no)));
            }
            Changes::Of(shards) if shards.is_empty() => {}
            _ => {
                self.by_shard.clear();
                self.others = commit_no;
            }
        }
    }
}

#[derive(Clone)]
enum Listener {
    Commit(Arc<dyn Fn(CommitNo) + Send + Sync>),
    Change(ShardId, Arc<dyn Fn(CommitNo) + Send + Sync>),
    Excess(Arc<dyn Fn(LogExcess) + Send + Sync>),
}

#[derive(Default)]
struct Listeners {
    next: u64,
    by_number: BTreeMap<u64, Listener>,
}

impl CommitNotifier {
    pub(crate) fn new(counters: &Counters, origin: Origin) -> Self {
        let commit_no = counters.commit_no;
        Self {
            commit_no: AtomicU64::new(commit_no),
            change_id: AtomicU64::new(counters.change_id),
            origin: Mutex::new(origin),
            told: Mutex::new(counters.last_applied_at),
            listeners: Mutex::default(),
            heads: Mutex::new(Heads { by_shard: HashMap::new(), others: commit_no }),
        }
    }

    /// When the newest row of the last commit that was told was applied, or a later moment than that of all before.
    pub(crate) fn told(&self) -> Timestamp {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer has found out in which life it writes.
    pub(crate) fn begin_with(&self, origin: Origin) {
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = origin;
    }

    pub(crate) fn commit_no(&self) -> CommitNo {
        self.commit_no.load(Ordering::Acquire)
    }

    /// The newest change of all shards.
    pub(crate) fn change_id(&self) -> ChangeId {
        self.change_id.load(Ordering::Acquire)
    }

    pub(crate) fn site(&self) -> SiteId {
        self.origin.lock().unwrap_or_else(PoisonError::into_inner).site
    }

    pub(crate) fn node(&self) -> Option<NodeName> {
        self.origin.lock().unwrap_or_else(PoisonError::into_inner).node.clone()
    }

    /// Tells of a commit, and of all before it that nobody has told of. `own`: what this commit alone has changed, by the
    /// writer that made it. `since`: what was changed by rows that were applied after a moment.
    pub(crate) fn publish(
        &self,
        counters: &Counters,
        own: Option<Changes>,
        since: impl FnOnce(Timestamp) -> Result<Changes, CoreError>,
    ) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, commit_no) = (self.commit_no(), counters.commit_no);
        if commit_no <= before {
            return;
        }
        let same_life = {
            let mut known = self.origin.lock().unwrap_or_else(PoisonError::into_inner);
            let same = *known == counters.origin;
            if !same {
                *known = counters.origin.clone();
            }
            same
        };
        let changes = match own {
            _ if !same_life => Changes::All,
            Some(own) if commit_no == before + 1 => own,
            // Others have committed.
            _ => since(*told).unwrap_or(Changes::All),
        };
        *told = counters.last_applied_at;
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).advance(commit_no, &changes);
        self.change_id.store(counters.change_id, Ordering::Release);
        self.commit_no.store(commit_no, Ordering::Release);
        self.tell(
            |listener| match listener {
                Listener::Commit(_) => true,
                Listener::Change(shard, _) => changes.concern(shard),
                Listener::Excess(_) => false,
            },
            |listener| {
                if let Listener::Commit(listener) | Listener::Change(_, listener) = listener {
                    listener(commit_no);
                }
            },
        );
    }

    /// The last transaction that changed what sessions tell of a shard, or a later one.
    pub(crate) fn last_change(&self, shard: &ShardId) -> CommitNo {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).of(shard)
    }

    /// Called by the writer.
    pub(crate) fn publish_excess(&self, excess: LogExcess) {
        self.tell(
            |listener| matches!(listener, Listener::Excess(_)),
            |listener| {
                if let Listener::Excess(listener) = listener {
                    listener(excess);
                }
            },
        );
    }

    pub(crate) fn subscribe(self: &Arc<Self>, listener: Box<dyn Fn(CommitNo) + Send + Sync>) -> Subscription {
        self.add(Listener::Commit(listener.into()))
    }

    /// Hears of each transaction that changes what sessions tell of a shard.
    pub(crate) fn subscribe_to_shard(
        self: &Arc<Self>,
        shard: ShardId,
        listener: Box<dyn Fn(CommitNo) + Send + Sync>,
    ) -> Subscription {
        self.add(Listener::Change(shard, listener.into()))
    }

    pub(crate) fn subscribe_to_excess(
        self: &Arc<Self>,
        listener: Box<dyn Fn(LogExcess) + Send + Sync>,
    ) -> Subscription {
        self.add(Listener::Excess(listener.into()))
    }

    fn tell(&self, hears: impl Fn(&Listener) -> bool, tell: impl Fn(&Listener)) {
        let listeners: Vec<Listener> = {
            let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.by_number.values().filter(|listener| hears(listener)).cloned().collect()
        };
        for listener in &listeners {
            // A listener that panics must not take the writer with it.
            let _ = catch_unwind(AssertUnwindSafe(|| tell(listener)));
        }
    }

    fn add(self: &Arc<Self>, listener: Listener) -> Subscription {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let number = listeners.next;
        listeners.next += 1;
        listeners.by_number.insert(number, listener);
        Subscription { notifier: Arc::downgrade(self), number }
    }
}

/// How many shards' last transactions are remembered. Of more, none are: each of them seems to have changed just then.
const MOST_HEADS: usize = 65_536;

/// Unsubscribes its listener when it is dropped. A call that is under way may still finish then.
#[must_use = "dropping it unsubscribes"]
pub struct Subscription {
    notifier: Weak<CommitNotifier>,
    number: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(notifier) = self.notifier.upgrade() {
            let mut listeners = notifier.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.by_number.remove(&self.number);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription {}", self.number)
    }
}
