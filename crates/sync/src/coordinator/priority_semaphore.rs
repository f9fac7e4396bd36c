use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::task::Rank;

/// A semaphore whose released permits go to the waiter with the highest rank, not to the first one.
#[derive(Debug)]
pub(super) struct PrioritySemaphore {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    in_use: usize,
    waiting: BTreeMap<Rank, oneshot::Sender<Permit>>,
}

impl PrioritySemaphore {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { limit, in_use: 0, waiting: BTreeMap::new() }) })
    }

    /// Lowers the limit, if `limit` is less than before.
    pub(super) fn reduce_limit(&self, limit: usize) {
        let mut state = self.state();
        state.limit = state.limit.min(limit);
    }

    /// Maximum number of permits.
    pub(super) fn limit(&self) -> usize {
        self.state().limit
    }

    /// Number of permits in use.
    pub(super) fn in_use(&self) -> usize {
        self.state().in_use
    }

    /// Waits for a permit. Cancel-safe: a permit that was already sent goes to the next waiter. At most one waiter for
    /// each rank.
    pub(super) async fn acquire(self: &Arc<Self>, rank: Rank) -> Permit {
        let permit = {
            let mut state = self.state();
            // Nobody waits while a permit is free, so this cannot overtake a waiter.
            if state.in_use < state.limit {
                state.in_use += 1;
                return Permit(Some(Arc::clone(self)));
            }
            let (sender, permit) = oneshot::channel();
            state.waiting.insert(rank, sender);
            permit
        };
        let _waiter = Waiter { semaphore: self, rank };
        permit.await.expect("only `_waiter` removes an unused sender, when this future is dropped")
    }

    fn release(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = self.state();
                let next = if state.in_use <= state.limit { state.waiting.pop_last() } else { None };
                if next.is_none() {
                    state.in_use -= 1;
                }
                next
            };
            let Some((_, sender)) = next else { return };
            let Err(mut refused) = sender.send(Permit(Some(Arc::clone(self)))) else { return };
            // The waiter was cancelled in the meantime: offer the permit to the next one.
            refused.0 = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Released when dropped.
#[derive(Debug)]
pub(super) struct Permit(Option<Arc<PrioritySemaphore>>);

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(semaphore) = self.0.take() {
            semaphore.release();
        }
    }
}

/// Removes its waiter when dropped.
struct Waiter<'g> {
    semaphore: &'g PrioritySemaphore,
    rank: Rank,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let sender = self.semaphore.state().waiting.remove(&self.rank);
        // Dropped outside of the lock.
        drop(sender);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_permit_that_comes_back_goes_to_the_most_urgent() {
        let semaphore = PrioritySemaphore::new(1);
        let Poll::Ready(first) = poll(pin!(semaphore.acquire(Rank::new(0.0, 0)))) else {
            panic!("one is free")
        };
        let mut low = pin!(semaphore.acquire(Rank::new(1.0, 1)));
        let mut high = pin!(semaphore.acquire(Rank::new(9.0, 3)));
        let mut older = pin!(semaphore.acquire(Rank::new(9.0, 2)));
        assert!(poll(low.as_mut()).is_pending());
        assert!(poll(high.as_mut()).is_pending() && poll(older.as_mut()).is_pending());
        drop(first);
        assert!(poll(low.as_mut()).is_pending() && poll(high.as_mut()).is_pending());
        assert!(poll(older.as_mut()).is_ready());
        assert!(poll(high.as_mut()).is_ready(), "the one before gave its permit back at once");
        assert!(poll(low.as_mut()).is_ready());
        assert_eq!(semaphore.in_use(), 0);
    }

    #[test]
    fn a_cancelled_waiter_takes_no_permit() {
        let semaphore = PrioritySemaphore::new(1);
        let Poll::Ready(first) = poll(pin!(semaphore.acquire(Rank::new(0.0, 0)))) else {
            panic!("one is free")
        };
        {
            let mut waits = pin!(semaphore.acquire(Rank::new(5.0, 1)));
            assert!(poll(waits.as_mut()).is_pending());
        }
        {
            let mut handed = pin!(semaphore.acquire(Rank::new(5.0, 1)));
            assert!(poll(handed.as_mut()).is_pending());
            drop(first);
            assert_eq!(semaphore.in_use(), 1);
        }
        assert_eq!(semaphore.in_use(), 0);
        assert!(poll(pin!(semaphore.acquire(Rank::new(0.0, 2)))).is_ready());
    }

    #[test]
    fn a_lowered_limit_hands_on_only_the_remaining_permits() {
        let semaphore = PrioritySemaphore::new(2);
        let permits: Vec<_> =
            (0..2).map(|number| poll(pin!(semaphore.acquire(Rank::new(0.0, number))))).collect();
        let mut waits = pin!(semaphore.acquire(Rank::new(0.0, 2)));
        assert!(poll(waits.as_mut()).is_pending());
        semaphore.reduce_limit(1);
        semaphore.reduce_limit(7);
        let mut permits = permits.into_iter();
        drop(permits.next());
        assert!(poll(waits.as_mut()).is_pending());
        drop(permits.next());
        assert!(poll(waits.as_mut()).is_ready());
    }
}
