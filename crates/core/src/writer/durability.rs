use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vectr_delta::CommitNo;

use crate::CoreError;

/// Which transactions survive a power cut, and the callers that wait for more.
pub(crate) struct Durability {
    state: Mutex<State>,
}

/// Barriers are numbered from 1 and run one after another.
struct State {
    durable: CommitNo,
    requested: u64,
    begun: u64,
    ended: u64,
    /// The last transaction that the newest running barrier covers.
    covered: CommitNo,
    waiting: Vec<Waiter>,
}

struct Waiter {
    commit_no: CommitNo,
    /// The barrier that covers it.
    barrier: u64,
    done: Done,
}

type Done = Box<dyn FnOnce(Result<CommitNo, CoreError>) + Send>;

impl Durability {
    pub(crate) fn new(durable: CommitNo) -> Arc<Self> {
        let state = State { durable, requested: 0, begun: 0, ended: 0, covered: 0, waiting: Vec::new() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Calls `done` once `commit_no`, which has been committed, is durable: at once, or on the thread that ends the
    /// barrier. `request` hands a barrier to the writer; all waiters that it covers share it.
    pub(crate) fn on_durable(
        self: &Arc<Self>,
        commit_no: CommitNo,
        done: impl FnOnce(Result<CommitNo, CoreError>) + Send + 'static,
        request: impl FnOnce(Barrier),
    ) {
        let mut state = self.lock();
        if state.durable >= commit_no {
            let durable = state.durable;
            drop(state);
            return done(Ok(durable));
        }
        let barrier = state.covering(commit_no);
        state.waiting.push(Waiter { commit_no, barrier, done: Box::new(done) });
        if state.requested < barrier {
            state.requested = barrier;
            drop(state);
            request(Barrier { durability: Arc::clone(self), begun: false, ended: false });
        }
    }

    /// As [`Durability::when`], and waits.
    pub(crate) fn wait(
        self: &Arc<Self>,
        commit_no: CommitNo,
        request: impl FnOnce(Barrier),
    ) -> Result<CommitNo, CoreError> {
        let (done, outcome) = sync_channel(1);
        let done = move |durable| {
            // The receiver is below.
            let _ = done.send(durable);
        };
        self.on_durable(commit_no, done, request);
        outcome.recv().unwrap_or(Err(CoreError::Closed))
    }

    /// The last transaction that survives.
    pub(crate) fn durable(&self) -> CommitNo {
        self.lock().durable
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The running barrier if it covers this transaction, else the next one.
    const fn covering(&self, commit_no: CommitNo) -> u64 {
        let runs = self.begun > self.ended && self.covered >= commit_no;
        self.begun + !runs as u64
    }
}

/// A requested barrier. Dropping it before it has ended fails its waiters with `ERR_CLOSED`.
pub(crate) struct Barrier {
    durability: Arc<Durability>,
    begun: bool,
    ended: bool,
}

impl Barrier {
    /// Covers transactions up to `covered`. A later one needs another barrier from now on.
    pub(crate) fn begin(&mut self, covered: CommitNo) {
        if !self.begun {
            self.begun = true;
            let mut state = self.durability.lock();
            state.begun += 1;
            state.covered = covered;
        }
    }

    /// Hands the outcome to all waiters that it covers.
    pub(crate) fn end(mut self, outcome: &Result<CommitNo, CoreError>) {
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: &Result<CommitNo, CoreError>) {
        self.begin(0);
        self.ended = true;
        let mut state = self.durability.lock();
        state.ended += 1;
        if let Ok(durable) = *outcome {
            state.durable = state.durable.max(durable);
        }
        let (durable, ended) = (state.durable, state.ended);
        let settled = |waiter: &mut Waiter| waiter.barrier <= ended || waiter.commit_no <= durable;
        let settled: Vec<Waiter> = state.waiting.extract_if(.., settled).collect();
        drop(state);
        for Waiter { commit_no, done, .. } in settled {
            done(match outcome {
                _ if commit_no <= durable => Ok(durable),
                Ok(_) => Err(CoreError::Closed),
                Err(error) => Err(error.duplicate()),
            });
        }
    }
}

impl Drop for Barrier {
    fn drop(&mut self) {
        if !self.ended {
            self.settle(&Err(CoreError::Closed));
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
        assert_eq!(durability.wait(7, |_| panic!("requested")).unwrap(), 7);
    }

    #[test]
    fn a_barrier_settles_waiters_from_before_it_began() {
        let durability = Durability::new(0);
        let settled = durability.wait(3, |mut barrier| {
            barrier.begin(5);
            barrier.end(&Ok(5));
        });
        assert_eq!(settled.unwrap(), 5);
    }

    #[test]
    fn a_waiter_after_the_barrier_began_gets_another() {
        let durability = Durability::new(0);
        let running = RefCell::new(None);
        std::thread::scope(|scope| {
            let (sender, receiver) = std::sync::mpsc::channel();
            let shared = &durability;
            let first = scope.spawn(move || shared.wait(1, |barrier| sender.send(barrier).unwrap()));
            let mut barrier = receiver.recv().unwrap();
            barrier.begin(1);
            *running.borrow_mut() = Some(barrier);
            let second = durability.wait(2, |mut another| {
                running.borrow_mut().take().unwrap().end(&Ok(1));
                another.begin(2);
                another.end(&Ok(2));
            });
            assert_eq!(second.unwrap(), 2);
            assert!(first.join().unwrap().unwrap() >= 1);
        });
    }

    #[test]
    fn a_running_barrier_is_shared_by_the_waiters_that_it_covers() {
        let durability = Durability::new(0);
        let (told, outcomes) = std::sync::mpsc::channel();
        let mut running = None;
        let note = |name: &'static str| {
            let told = told.clone();
            move |outcome: Result<CommitNo, CoreError>| told.send((name, outcome.unwrap())).unwrap()
        };
        durability.on_durable(3, note("first"), |barrier| running = Some(barrier));
        let mut barrier = running.take().unwrap();
        barrier.begin(4);
        durability.on_durable(4, note("covered"), |_| panic!("requested"));
        durability.on_durable(5, note("later"), |barrier| running = Some(barrier));
        durability.on_durable(6, note("latest"), |_| panic!("requested twice"));
        barrier.end(&Ok(4));
        assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), [("first", 4), ("covered", 4)]);
        running.unwrap().end(&Ok(6));
        assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), [("later", 6), ("latest", 6)]);
    }

    #[test]
    fn a_failed_barrier_is_told_to_all_and_the_next_one_may_succeed() {
        let durability = Durability::new(0);
        let busy = || CoreError::Busy { what: "the database".into(), reason: "somebody writes".into() };
        assert_eq!(durability.wait(2, |barrier| barrier.end(&Err(busy()))).unwrap_err().code(), "ERR_BUSY");
        assert_eq!(durability.durable(), 0);
        assert_eq!(durability.wait(2, |barrier| barrier.end(&Ok(2))).unwrap(), 2);
    }

    #[test]
    fn a_dropped_barrier_strands_nobody() {
        let durability = Durability::new(0);
        assert_eq!(durability.wait(1, drop).unwrap_err().code(), "ERR_CLOSED");
    }
}
