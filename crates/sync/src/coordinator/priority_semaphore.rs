use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::task::Rank;

/// A number of permits. One that comes back goes to the most urgent of those who wait, not to the first.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    given: usize,
    waiting: BTreeMap<Rank, oneshot::Sender<Permit>>,
}

impl Gate {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { limit, given: 0, waiting: BTreeMap::new() }) })
    }

    /// Gives no more than `limit` permits from now on, if that is less than before.
    pub(super) fn narrow(&self, limit: usize) {
        let mut state = self.state();
        state.limit = state.limit.min(limit);
    }

    /// How many permits there are.
    pub(super) fn limit(&self) -> usize {
        self.state().limit
    }

    /// How many permits are given.
    pub(super) fn given(&self) -> usize {
        self.state().given
    }

    /// Waits for a permit. Given up, it leaves nothing behind: a permit that was on its way goes to the next.
    /// One wait at a time for each rank.
    pub(super) async fn acquire(self: &Arc<Self>, rank: Rank) -> Permit {
        let coming = {
            let mut state = self.state();
            // Whoever could have had a permit has it: nobody waits while one is free.
            if state.given < state.limit {
                state.given += 1;
                return Permit(Some(Arc::clone(self)));
            }
            let (hand_over, coming) = oneshot::channel();
            state.waiting.insert(rank, hand_over);
            coming
        };
        let _turn = Turn { gate: self, rank };
        coming.await.expect("only the turn below takes the sender away before it is used")
    }

    fn give_back(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = self.state();
                let next = if state.given <= state.limit { state.waiting.pop_last() } else { None };
                if next.is_none() {
                    state.given -= 1;
                }
                next
            };
            let Some((_, hand_over)) = next else { return };
            let Err(mut refused) = hand_over.send(Permit(Some(Arc::clone(self)))) else { return };
            // The one who waited has just given up: the next in line has it, in this very call.
            refused.0 = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit(Option<Arc<Gate>>);

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.give_back();
        }
    }
}

/// A place among those who wait.
struct Turn<'g> {
    gate: &'g Gate,
    rank: Rank,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let sender = self.gate.state().waiting.remove(&self.rank);
        // Outside of the lock, though it holds no permit that would come back through it.
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
        let gate = Gate::new(1);
        let Poll::Ready(first) = poll(pin!(gate.acquire(Rank::new(0, 0)))) else { panic!("one is free") };
        let mut low = pin!(gate.acquire(Rank::new(1, 1)));
        let mut high = pin!(gate.acquire(Rank::new(9, 3)));
        let mut older = pin!(gate.acquire(Rank::new(9, 2)));
        assert!(poll(low.as_mut()).is_pending());
        assert!(poll(high.as_mut()).is_pending() && poll(older.as_mut()).is_pending());
        drop(first);
        assert!(poll(low.as_mut()).is_pending() && poll(high.as_mut()).is_pending());
        assert!(poll(older.as_mut()).is_ready());
        assert!(poll(high.as_mut()).is_ready(), "the one before gave its permit back at once");
        assert!(poll(low.as_mut()).is_ready());
        assert_eq!(gate.given(), 0);
    }

    #[test]
    fn who_gives_up_takes_no_permit_along() {
        let gate = Gate::new(1);
        let Poll::Ready(first) = poll(pin!(gate.acquire(Rank::new(0, 0)))) else { panic!("one is free") };
        {
            let mut waits = pin!(gate.acquire(Rank::new(5, 1)));
            assert!(poll(waits.as_mut()).is_pending());
        }
        {
            let mut handed = pin!(gate.acquire(Rank::new(5, 1)));
            assert!(poll(handed.as_mut()).is_pending());
            drop(first);
            assert_eq!(gate.given(), 1);
        }
        assert_eq!(gate.given(), 0);
        assert!(poll(pin!(gate.acquire(Rank::new(0, 2)))).is_ready());
    }

    #[test]
    fn a_narrowed_gate_hands_on_only_what_is_left() {
        let gate = Gate::new(2);
        let permits: Vec<_> = (0..2).map(|number| poll(pin!(gate.acquire(Rank::new(0, number))))).collect();
        let mut waits = pin!(gate.acquire(Rank::new(0, 2)));
        assert!(poll(waits.as_mut()).is_pending());
        gate.narrow(1);
        gate.narrow(7);
        let mut permits = permits.into_iter();
        drop(permits.next());
        assert!(poll(waits.as_mut()).is_pending());
        drop(permits.next());
        assert!(poll(waits.as_mut()).is_ready());
    }
}
