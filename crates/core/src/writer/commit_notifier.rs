use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use vectr_delta::{CommitNo, NodeName, Origin, SiteId};

use crate::writer::log_watch::LogExcess;

/// Publishes the writer's commits to readers and listeners, and what there is to tell of the log.
pub(crate) struct CommitNotifier {
    commit_no: AtomicU64,
    origin: Mutex<Origin>,
    listeners: Mutex<Listeners>,
}

#[derive(Clone)]
enum Listener {
    Commit(Arc<dyn Fn(CommitNo) + Send + Sync>),
    Excess(Arc<dyn Fn(LogExcess) + Send + Sync>),
}

#[derive(Default)]
struct Listeners {
    next: u64,
    by_number: BTreeMap<u64, Listener>,
}

impl CommitNotifier {
    pub(crate) fn new(commit_no: CommitNo, origin: Origin) -> Self {
        Self { commit_no: AtomicU64::new(commit_no), origin: Mutex::new(origin), listeners: Mutex::default() }
    }

    pub(crate) fn commit_no(&self) -> CommitNo {
        self.commit_no.load(Ordering::Acquire)
    }

    pub(crate) fn site(&self) -> SiteId {
        self.origin.lock().unwrap_or_else(PoisonError::into_inner).site
    }

    pub(crate) fn node(&self) -> Option<NodeName> {
        self.origin.lock().unwrap_or_else(PoisonError::into_inner).node.clone()
    }

    /// Called by the writer.
    pub(crate) fn publish(&self, commit_no: CommitNo, origin: &Origin) {
        {
            let mut known = self.origin.lock().unwrap_or_else(PoisonError::into_inner);
            if *known != *origin {
                *known = origin.clone();
            }
        }
        self.commit_no.store(commit_no, Ordering::Release);
        self.tell(|listener| {
            if let Listener::Commit(listener) = listener {
                listener(commit_no);
            }
        });
    }

    /// Called by the writer.
    pub(crate) fn publish_excess(&self, excess: LogExcess) {
        self.tell(|listener| {
            if let Listener::Excess(listener) = listener {
                listener(excess);
            }
        });
    }

    pub(crate) fn subscribe(self: &Arc<Self>, listener: Box<dyn Fn(CommitNo) + Send + Sync>) -> Subscription {
        self.add(Listener::Commit(listener.into()))
    }

    pub(crate) fn subscribe_to_excess(
        self: &Arc<Self>,
        listener: Box<dyn Fn(LogExcess) + Send + Sync>,
    ) -> Subscription {
        self.add(Listener::Excess(listener.into()))
    }

    fn tell(&self, tell: impl Fn(&Listener)) {
        let listeners: Vec<Listener> = {
            let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.by_number.values().cloned().collect()
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
