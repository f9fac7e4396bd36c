use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::SyncEvent;
use crate::events::event::EventKey;
use crate::limits::bounds::MAX_EVENTS;

/// A subscription to the events of one engine.
#[derive(Debug)]
pub struct Events(Arc<Queue>);

impl Events {
    /// The next event; `None` once the engine is closed and all events were taken. Cancel-safe.
    pub async fn next(&mut self) -> Option<SyncEvent> {
        let queue = Arc::clone(&self.0);
        loop {
            // Register before polling, so that no event is missed in between.
            let pushed = queue.pushed.notified();
            if let Some(event) = self.poll() {
                return Some(event);
            }
            if queue.waiting().closed {
                return None;
            }
            pushed.await;
        }
    }

    /// Waits until an event has arrived since the last call, other than one that was merged; false once the engine is
    /// closed. The event may have been taken since. Cancel-safe.
    pub async fn arrived(&self) -> bool {
        loop {
            // Register before looking, so that no event is missed in between.
            let pushed = self.0.pushed.notified();
            {
                let mut waiting = self.0.waiting();
                if std::mem::take(&mut waiting.arrived) {
                    return true;
                }
                if waiting.closed {
                    return false;
                }
            }
            pushed.await;
        }
    }

    /// The next event, if one is waiting.
    pub fn poll(&self) -> Option<SyncEvent> {
        let mut waiting = self.0.waiting();
        let key = waiting.order.pop_front()?;
        waiting.by_key.remove(&key)
    }
}

/// Distributes the events of an engine to its subscriptions.
#[derive(Debug, Default)]
pub(crate) struct EventHub(Mutex<Listeners>);

#[derive(Debug, Default)]
struct Listeners {
    queues: Vec<Weak<Queue>>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    pushed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    order: VecDeque<EventKey>,
    by_key: HashMap<EventKey, SyncEvent>,
    /// Whether an event was added since [`Events::arrived`] last looked.
    arrived: bool,
    closed: bool,
}

impl EventHub {
    /// A subscription to all events from now on.
    pub(crate) fn subscribe(&self) -> Events {
        let mut listeners = self.listeners();
        let queue = Arc::new(Queue::default());
        queue.waiting().closed = listeners.closed;
        listeners.queues.push(Arc::downgrade(&queue));
        Events(queue)
    }

    /// Whether there is a subscription.
    pub(crate) fn has_listeners(&self) -> bool {
        let mut listeners = self.listeners();
        listeners.queues.retain(|queue| queue.strong_count() > 0);
        !listeners.queues.is_empty()
    }

    pub(crate) fn emit(&self, event: &SyncEvent) {
        for queue in self.listeners().queues.iter().filter_map(Weak::upgrade) {
            queue.push(event.clone());
        }
    }

    /// Ends all subscriptions, once their waiting events were taken.
    pub(crate) fn close(&self) {
        let mut listeners = self.listeners();
        listeners.closed = true;
        for queue in listeners.queues.iter().filter_map(Weak::upgrade) {
            queue.waiting().closed = true;
            queue.pushed.notify_waiters();
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EventHub {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn push(&self, event: SyncEvent) {
        let mut waiting = self.waiting();
        let key = event.key();
        if let Some(earlier) = waiting.by_key.get_mut(&key) {
            return earlier.absorb(event);
        }
        // Peers choose the names of shards. The oldest event gives way.
        if waiting.order.len() >= MAX_EVENTS
            && let Some(oldest) = waiting.order.pop_front()
        {
            waiting.by_key.remove(&oldest);
        }
        waiting.order.push_back(key.clone());
        waiting.by_key.insert(key, event);
        waiting.arrived = true;
        drop(waiting);
        self.pushed.notify_waiters();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectr_delta::{ShardId, Strategy, VectorId};

    fn change(shard: &str, changes: u64, after: u64, to: u64) -> SyncEvent {
        SyncEvent::Change { shard: ShardId::new(shard).unwrap(), address: "b:1".into(), changes, after, to }
    }

    fn conflict(first: usize, count: usize) -> SyncEvent {
        SyncEvent::Conflict {
            shard: ShardId::new("s").unwrap(),
            address: "b:1".into(),
            detected: count as u64,
            resolved: false,
            strategy: Strategy::Manual,
            vectors: (first..first + count).map(|n| VectorId::new(&n.to_string()).unwrap()).collect(),
        }
    }

    #[test]
    fn waiting_events_are_merged_by_kind_and_shard() {
        let hub = EventHub::default();
        let events = hub.subscribe();
        for event in [change("s", 2, 0, 2), change("t", 1, 0, 9), change("s", 3, 4, 7)] {
            hub.emit(&event);
        }
        assert_eq!(events.poll(), Some(change("s", 5, 0, 7)));
        assert_eq!(events.poll(), Some(change("t", 1, 0, 9)));
        assert_eq!(events.poll(), None);
    }

    #[test]
    fn a_listener_that_takes_nothing_holds_a_bounded_number_of_names() {
        let hub = EventHub::default();
        let events = hub.subscribe();
        for round in 0..50 {
            hub.emit(&conflict(round * 10, 10));
        }
        let Some(SyncEvent::Conflict { detected, vectors, .. }) = events.poll() else { panic!("no event") };
        assert_eq!((detected, vectors.len()), (500, SyncEvent::MOST_VECTORS));
    }

    // A peer that synced one shard after the other, under names of its own, filled the memory of a node that listened to
    // nothing.
    #[test]
    fn a_listener_that_takes_nothing_holds_a_bounded_number_of_events() {
        let hub = EventHub::default();
        let events = hub.subscribe();
        for shard in 0..MAX_EVENTS + 3 {
            hub.emit(&change(&shard.to_string(), 1, 0, 1));
        }
        assert_eq!(events.poll(), Some(change("3", 1, 0, 1)));
        assert_eq!(std::iter::from_fn(|| events.poll()).count(), MAX_EVENTS - 1);
    }

    #[tokio::test]
    async fn each_of_many_listeners_hears_everything_and_then_the_end() {
        let hub = EventHub::default();
        let mut listeners: Vec<Events> = (0..50).map(|_| hub.subscribe()).collect();
        hub.emit(&change("s", 1, 0, 1));
        hub.close();
        for events in &mut listeners {
            assert_eq!(events.next().await, Some(change("s", 1, 0, 1)));
            assert_eq!(events.next().await, None);
        }
        assert_eq!(hub.subscribe().next().await, None);
    }

    #[tokio::test]
    async fn a_listener_that_waits_is_woken_by_the_end() {
        let hub = Arc::new(EventHub::default());
        let mut events = hub.subscribe();
        let waiting = tokio::spawn(async move { events.next().await });
        tokio::task::yield_now().await;
        hub.close();
        assert_eq!(waiting.await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_arrival_is_told_once_and_a_merged_event_is_none() {
        let hub = EventHub::default();
        let events = hub.subscribe();
        hub.emit(&change("s", 1, 0, 1));
        assert!(events.arrived().await);
        hub.emit(&change("s", 1, 1, 2));
        hub.close();
        assert!(!events.arrived().await);
        assert_eq!(events.poll(), Some(change("s", 2, 0, 2)));
    }

    #[test]
    fn a_dropped_subscription_is_no_listener() {
        let hub = EventHub::default();
        let events = hub.subscribe();
        assert!(hub.has_listeners());
        drop(events);
        assert!(!hub.has_listeners());
    }
}
