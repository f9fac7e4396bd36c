use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use vectr_delta::CommitNo;

use crate::CoreError;

/// Which transactions survive a power cut, and who waits for more.
pub(crate) struct Durability {
    state: Mutex<State>,
    settled: Condvar,
}

/// Barriers are numbered from 1 and run one after another.
struct State {
    durable: CommitNo,
    ordered: u64,
    begun: u64,
    ended: u64,
    failure: Option<CoreError>,
}

impl Durability {
    pub(crate) fn new(durable: CommitNo) -> Arc<Self> {
        let state = State { durable, ordered: 0, begun: 0, ended: 0, failure: None };
        Arc::new(Self { state: Mutex::new(state), settled: Condvar::new() })
    }

    /// Waits until `commit_no`, which has been committed, is durable. `order` hands a barrier to the writer; whoever
    /// asks before it begins shares it.
    pub(crate) fn wait(
        self: &Arc<Self>,
        commit_no: CommitNo,
        order: impl FnOnce(Barrier),
    ) -> Result<CommitNo, CoreError> {
        let mut state = self.lock();
        if state.durable >= commit_no {
            return Ok(state.durable);
        }
        // One that has begun may have begun before this transaction.
        let next = state.begun + 1;
        if state.ordered < next {
            state.ordered = next;
            drop(state);
            order(Barrier { durability: Arc::clone(self), begun: false, ended: false });
            state = self.lock();
        }
        while state.ended < next && state.durable < commit_no {
            state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.durable >= commit_no {
            return Ok(state.durable);
        }
        Err(state.failure.as_ref().map_or(CoreError::Closed, CoreError::again))
    }

    /// The last transaction that survives.
    pub(crate) fn durable(&self) -> CommitNo {
        self.lock().durable
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A barrier that has been ordered. Dropping it before it has ended tells those who wait that the database is closed.
pub(crate) struct Barrier {
    durability: Arc<Durability>,
    begun: bool,
    ended: bool,
}

impl Barrier {
    /// Who asks from now on needs another one.
    pub(crate) fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.durability.lock().begun += 1;
        }
    }

    /// Tells everyone who waits.
    pub(crate) fn end(mut self, outcome: Result<CommitNo, CoreError>) {
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: Result<CommitNo, CoreError>) {
        self.begin();
        self.ended = true;
        let mut state = self.durability.lock();
        state.ended += 1;
        match outcome {
            Ok(durable) => {
                state.durable = state.durable.max(durable);
                state.failure = None;
            }
            Err(error) => state.failure = Some(error),
        }
        drop(state);
        self.durability.settled.notify_all();
    }
}

impl Drop for Barrier {
    fn drop(&mut self) {
        if !self.ended {
            self.settle(Err(CoreError::Closed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_durable_transaction_orders_nothing() {
        let durability = Durability::new(7);
        assert_eq!(durability.wait(7, |_| panic!("ordered")).unwrap(), 7);
    }

    #[test]
    fn a_barrier_settles_who_asked_before_it_began() {
        let durability = Durability::new(0);
        let settled = durability.wait(3, |mut barrier| {
            barrier.begin();
            barrier.end(Ok(5));
        });
        assert_eq!(settled.unwrap(), 5);
    }

    #[test]
    fn who_asks_after_a_barrier_began_gets_another() {
        let durability = Durability::new(0);
        let running = RefCell::new(None);
        std::thread::scope(|scope| {
            let (sender, receiver) = std::sync::mpsc::channel();
            let shared = &durability;
            let first = scope.spawn(move || shared.wait(1, |barrier| sender.send(barrier).unwrap()));
            let mut barrier = receiver.recv().unwrap();
            barrier.begin();
            *running.borrow_mut() = Some(barrier);
            let second = durability.wait(2, |mut another| {
                running.borrow_mut().take().unwrap().end(Ok(1));
                another.begin();
                another.end(Ok(2));
            });
            assert_eq!(second.unwrap(), 2);
            assert!(first.join().unwrap().unwrap() >= 1);
        });
    }

    #[test]
    fn a_dropped_barrier_strands_nobody() {
        let durability = Durability::new(0);
        assert_eq!(durability.wait(1, drop).unwrap_err().code(), "ERR_CLOSED");
    }
}
