use std::sync::Mutex;

use napi::bindgen_prelude::PromiseRaw;
use napi::threadsafe_function::ThreadsafeFunction;
use napi::{Env, Status};
use napi_derive::napi;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use vectr_sync::{Events, SyncEvent, SyncFailure};

use crate::columns::number;

/// Something that happened in an engine. The kind says which of the fields are there.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct EventRecord {
    /// What.
    #[napi(ts_type = "'change' | 'conflict' | 'peer' | 'progress' | 'syncError'")]
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
    /// Of a peer.
    pub online: Option<bool>,
    /// Of progress: rows sent.
    pub sent: Option<i64>,
    /// Of progress: rows that changed this database.
    pub received: Option<i64>,
    /// Of progress: bytes of frames, both ways.
    pub bytes: Option<i64>,
    /// Of a failure, or of a peer that went.
    pub error: Option<String>,
    /// The stable code of that.
    pub error_code: Option<String>,
}

/// A function that hears of events until it is stopped.
#[napi]
pub struct NativeSubscription(Mutex<Option<JoinHandle<()>>>);

/// Does not keep the process alive.
pub(crate) type EventListener =
    ThreadsafeFunction<Vec<EventRecord>, (), Vec<EventRecord>, Status, false, true>;

#[napi]
impl NativeSubscription {
    pub(crate) fn start(runtime: &Handle, events: Events, listener: EventListener) -> Self {
        Self(Mutex::new(Some(runtime.spawn(hand_on(events, listener)))))
    }

    /// Hears no more.
    #[napi]
    pub fn stop(&self) {
        if let Some(task) = self.take() {
            task.abort();
        }
    }

    /// Resolves when the engine is closed, and the function has heard all.
    #[napi]
    pub fn ended<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let task = self.take();
        env.spawn_future(async move {
            if let Some(task) = task {
                // It ends with the events; that it was stopped is no failure.
                let _ = task.await;
            }
            Ok(())
        })
    }

    fn take(&self) -> Option<JoinHandle<()>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

impl Drop for NativeSubscription {
    fn drop(&mut self) {
        self.stop();
    }
}

/// While the event loop is busy, events are put together in their queue and not here.
async fn hand_on(mut events: Events, listener: EventListener) {
    while let Some(first) = events.next().await {
        let rest = std::iter::from_fn(|| events.poll());
        let records = std::iter::once(first).chain(rest).filter_map(EventRecord::from_event).collect();
        if listener.call_async_catch(records).await.is_err() {
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
                received: Some(number(progress.received)),
                bytes: Some(number(progress.bytes)),
                ..Self::of("progress", shard, address)
            },
            SyncEvent::Failed { shard, address, failure } => {
                Self::of("syncError", shard, address).because(Some(failure))
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
