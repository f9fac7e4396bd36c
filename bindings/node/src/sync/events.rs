use std::sync::Arc;

use napi::Status;
use napi::threadsafe_function::ThreadsafeFunction;
use napi_derive::napi;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use vectr_sync::{Events, SyncEvent, SyncFailure};

use crate::columns::number;

/// Something that happened in an engine. The kind says which of the fields are there.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct EventRecord {
    /// What.
    #[napi(ts_type = "'change' | 'conflict' | 'peer' | 'progress' | 'repair' | 'syncError'")]
    pub kind: &'static str,
    /// Where.
    pub shard_id: String,
    /// With whom.
    pub peer_address: String,
    /// Of a change: rows.
    pub changes: Option<i64>,
    /// Of a change: the newest one before.
    pub after_change_id: Option<i64>,
    /// Of a change: the newest one.
    pub to_change_id: Option<i64>,
    /// Of a conflict: vectors.
    pub detected: Option<i64>,
    /// Of a conflict: whether the strategy settles it.
    pub resolved: Option<bool>,
    /// Of a conflict: that strategy.
    pub strategy: Option<&'static str>,
    /// Of a conflict: which vectors, as far as they are named.
    pub vector_ids: Option<Vec<String>>,
    /// Of a repair: vectors that came back.
    pub repaired: Option<i64>,
    /// Of a repair: vectors that are damaged still.
    pub damaged: Option<i64>,
    /// Of a repair: whether the two nodes hold different content even so.
    pub differs: Option<bool>,
    /// Of a peer.
    pub online: Option<bool>,
    /// Of progress: rows sent.
    pub sent: Option<i64>,
    /// Of progress: rows to send, where they are counted.
    pub total: Option<i64>,
    /// Of progress: rows that changed this database.
    pub received: Option<i64>,
    /// Of progress: bytes of frames, both ways.
    pub bytes: Option<i64>,
    /// Of a failure, or of a peer that went.
    pub error: Option<String>,
    /// The stable code of that.
    pub error_code: Option<String>,
}

/// The events of an engine, until it is stopped.
#[napi]
pub struct NativeSubscription {
    events: Arc<Events>,
    task: AbortHandle,
}

/// Says that there is something to take. Does not keep the process alive.
pub(crate) type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

#[napi]
impl NativeSubscription {
    pub(crate) fn start(runtime: &Handle, events: Events, wake: Wake) -> Self {
        let events = Arc::new(events);
        let task = runtime.spawn(tell_of(Arc::clone(&events), wake)).abort_handle();
        Self { events, task }
    }

    /// The next event, if there is one. Events that wait are put together.
    #[napi]
    #[must_use]
    pub fn poll(&self) -> Option<EventRecord> {
        self.waiting().next()
    }

    /// All events that wait.
    #[napi]
    #[must_use]
    pub fn take_all(&self) -> Vec<EventRecord> {
        self.waiting().collect()
    }

    /// Wakes no more.
    #[napi]
    pub fn stop(&self) {
        self.task.abort();
    }

    fn waiting(&self) -> impl Iterator<Item = EventRecord> {
        std::iter::from_fn(|| self.events.poll()).filter_map(EventRecord::from_event)
    }
}

impl Drop for NativeSubscription {
    fn drop(&mut self) {
        self.stop();
    }
}

/// While the event loop is busy, events are put together in their queue.
async fn tell_of(events: Arc<Events>, wake: Wake) {
    while events.arrived().await {
        if wake.call_async_catch(()).await.is_err() {
            return;
        }
    }
}

impl EventRecord {
    /// None for a kind that JavaScript does not know.
    fn from_event(event: SyncEvent) -> Option<Self> {
        Some(match event {
            SyncEvent::Change { shard, address, changes, after, to } => Self {
                changes: Some(number(changes)),
                after_change_id: Some(number(after)),
                to_change_id: Some(number(to)),
                ..Self::of("change", shard, address)
            },
            SyncEvent::Conflict { shard, address, detected, resolved, strategy, vectors } => Self {
                detected: Some(number(detected)),
                resolved: Some(resolved),
                strategy: Some(strategy.name()),
                vector_ids: Some(vectors.into_iter().map(Into::into).collect()),
                ..Self::of("conflict", shard, address)
            },
            SyncEvent::Peer { shard, address, online, reason } => {
                Self { online: Some(online), ..Self::of("peer", shard, address) }.because(reason)
            }
            SyncEvent::Progress { shard, address, progress } => Self {
                sent: Some(number(progress.sent)),
                total: progress.total.map(number),
                received: Some(number(progress.received)),
                bytes: Some(number(progress.bytes)),
                ..Self::of("progress", shard, address)
            },
            SyncEvent::Repair { shard, address, repaired, damaged, differs } => Self {
                repaired: Some(number(repaired)),
                damaged: Some(number(damaged)),
                differs: Some(differs),
                ..Self::of("repair", shard, address)
            },
            SyncEvent::Failed { shard, address, failure } => {
                Self::of("syncError", shard, address).because(Some(failure))
            }
            SyncEvent::LogExcess { failure, .. } => {
                Self::of("syncError", "", String::new()).because(Some(failure))
            }
            _ => return None,
        })
    }

    fn of(kind: &'static str, shard: impl Into<String>, peer_address: String) -> Self {
        Self { kind, shard_id: shard.into(), peer_address, ..Self::default() }
    }

    fn because(mut self, failure: Option<SyncFailure>) -> Self {
        (self.error, self.error_code) = failure.map(|failure| (failure.message, failure.code)).unzip();
        self
    }
}
