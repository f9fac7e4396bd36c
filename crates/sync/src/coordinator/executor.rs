use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use vectr_transport::{Endpoint, TransportError};

use super::dispatch_queue::Line;
use super::priority_semaphore::Permit;
use super::scheduler::Agenda;
use super::task::{Rank, Task};
use crate::engine::job::Effort;
use crate::engine::sync_engine::Engine;
use crate::{Cancel, Canceller, SyncError, SyncOptions, SyncResult};

/// One call that executes a number of tasks.
///
/// A task first waits until its address is connected, then by urgency for a session permit. One that failed rests, and
/// comes back to both: it holds nothing meanwhile. Connection attempts hold places, sessions hold permits, and both are
/// shared by all rounds of an agenda.
pub(super) struct Round {
    engine: Arc<Engine>,
    endpoint: Endpoint,
    agenda: Agenda,
    /// The most urgent first: the place of a task is its number.
    entries: Vec<Entry>,
    unfinished: usize,
    line: Line<Permit>,
    resting: BTreeSet<(Instant, usize)>,
    work: JoinSet<Step>,
    stop: Canceller,
    ends: Ends,
}

struct Entry {
    rank: Rank,
    address: Arc<str>,
    /// `None` while its session runs, and when it has a result.
    effort: Option<Effort>,
    result: Option<SyncResult>,
}

/// What ends a call early.
pub(super) struct Ends {
    aborted: Cancel,
    engine_closed: Cancel,
    coordinator_closed: Cancel,
}

/// What a round waits for.
enum Event {
    End(SyncError),
    Permit(Permit),
    Place(Permit),
    Rested,
    Step(Step),
}

/// What a spawned piece of work has come to.
enum Step {
    Called { address: Arc<str>, outcome: Result<(), TransportError>, took: Duration },
    Failed { task: usize, effort: Box<Effort>, wait: Duration },
    Concluded { task: usize, outcome: Result<SyncResult, SyncError> },
}

impl Round {
    /// `tasks`: the most urgent first.
    pub(super) fn new(
        engine: Arc<Engine>,
        agenda: Agenda,
        tasks: Vec<Task>,
        ends: Ends,
    ) -> Result<Self, SyncError> {
        let endpoint = engine.endpoint()?.clone();
        let entries: Vec<Entry> = tasks.into_iter().map(|task| Entry::new(&engine, task)).collect();
        let mut round = Self {
            unfinished: entries.len(),
            endpoint,
            agenda,
            entries,
            line: Line::new(),
            resting: BTreeSet::new(),
            work: JoinSet::new(),
            stop: Canceller::new(),
            ends,
            engine,
        };
        (0..round.entries.len()).for_each(|task| round.enter(task));
        Ok(round)
    }

    /// The results, in the order of the tasks.
    ///
    /// # Errors
    /// What ended it early; all its work has ended then, too.
    pub(super) async fn run(mut self) -> Result<Vec<SyncResult>, SyncError> {
        while self.unfinished > 0 {
            if let Err(error) = self.advance().await {
                self.stop.cancel();
                while self.work.join_next().await.is_some() {}
                return Err(error);
            }
        }
        Ok(self.entries.into_iter().filter_map(|entry| entry.result).collect())
    }

    async fn advance(&mut self) -> Result<(), SyncError> {
        match self.next_event().await {
            Event::End(error) => return Err(error),
            Event::Permit(permit) => self.begin_session(permit),
            Event::Place(place) => self.begin_connecting(place),
            Event::Rested => self.wake(),
            Event::Step(Step::Called { address, outcome: Ok(()), .. }) => self.line.end_connecting(&address),
            Event::Step(Step::Called { address, outcome: Err(error), took }) => {
                self.miss(&address, &error, took);
            }
            Event::Step(Step::Failed { task, effort, wait }) => self.rest(task, *effort, wait),
            Event::Step(Step::Concluded { task, outcome }) => self.finish(task, outcome?),
        }
        Ok(())
    }

    /// Permits come first in the order of looking: one that was handed over is not to be given back for a trifle.
    async fn next_event(&mut self) -> Event {
        let shared = &*self.agenda.shared;
        let rank = |task: Option<usize>| task.map(|task| self.entries[task].rank);
        let (ready, unconnected) = (rank(self.line.next_ready()), rank(self.line.next_unconnected()));
        let rested = self.resting.first().map(|(at, _)| *at);
        tokio::select! {
            biased;
            error = self.ends.any() => Event::End(error),
            permit = granted(ready, |rank| shared.sessions.acquire(rank)) => Event::Permit(permit),
            place = granted(unconnected, |rank| shared.places.acquire(rank)) => Event::Place(place),
            () = granted(rested, |at| tokio::time::sleep_until(at.into())) => Event::Rested,
            Some(ended) = self.work.join_next() => match ended {
                Ok(step) => Event::Step(step),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // Only a runtime that is shutting down drops the work.
                    Err(_) => Event::End(SyncError::Closed),
                },
            },
        }
    }

    fn enter(&mut self, task: usize) {
        let address = &self.entries[task].address;
        self.line.enter(task, address, || self.endpoint.is_connected(address));
    }

    fn begin_connecting(&mut self, place: Permit) {
        let Some(task) = self.line.next_unconnected() else { return };
        let address = Arc::clone(&self.entries[task].address);
        self.line.begin_connecting(&address, place);
        self.work.spawn(call(self.endpoint.clone(), address, self.stop.token()));
    }

    fn begin_session(&mut self, permit: Permit) {
        let Some(task) = self.line.next_ready() else { return };
        let entry = &mut self.entries[task];
        let effort = entry.effort.take().expect("a task in line is not being worked on");
        self.line.begin_session(task, &entry.address);
        self.work.spawn(session(Arc::clone(&self.engine), task, effort, permit, self.stop.token()));
    }

    /// All tasks that waited for the address have failed with it.
    fn miss(&mut self, address: &str, error: &TransportError, took: Duration) {
        self.agenda.note_call(address, self.engine.db.now(), false);
        for task in self.line.give_up(address) {
            let mut effort = self.entries[task].effort.take().expect("a task in line is not being worked on");
            effort.miss(took);
            let error = SyncError::from(error.clone());
            match effort.wait_after(&error) {
                Some(wait) => self.rest(task, effort, wait),
                None => drop(self.work.spawn(conclude(Arc::clone(&self.engine), task, effort, Err(error)))),
            }
        }
    }

    fn rest(&mut self, task: usize, effort: Effort, wait: Duration) {
        self.entries[task].effort = Some(effort);
        self.resting.insert((Instant::now() + wait, task));
    }

    fn wake(&mut self) {
        let now = Instant::now();
        while let Some((at, task)) = self.resting.pop_first() {
            if at > now {
                self.resting.insert((at, task));
                return;
            }
            self.enter(task);
        }
    }

    fn finish(&mut self, task: usize, result: SyncResult) {
        if result.is_success() {
            self.agenda.note_call(&result.address, self.engine.db.now(), true);
        }
        self.agenda.count(&result);
        self.entries[task].result = Some(result);
        self.unfinished -= 1;
    }
}

impl Entry {
    fn new(engine: &Engine, task: Task) -> Self {
        let Task { rank, shard, address } = task;
        let shared = Arc::from(address.as_str());
        Self { rank, address: shared, effort: Some(Effort::new(engine, shard, address)), result: None }
    }
}

impl Ends {
    pub(super) fn new(engine: &Engine, agenda: &Agenda, aborted: Cancel) -> Self {
        Self {
            aborted,
            engine_closed: engine.closing.token(),
            coordinator_closed: agenda.shared.closing.token(),
        }
    }

    /// Waits for the first of them.
    pub(super) async fn any(&mut self) -> SyncError {
        tokio::select! {
            biased;
            () = self.engine_closed.cancelled() => SyncError::Closed,
            () = self.coordinator_closed.cancelled() => SyncError::CoordinatorClosed,
            () = self.aborted.cancelled() => SyncError::Aborted,
        }
    }
}

/// Waits for something only where there is someone to wait for.
async fn granted<K, F: Future>(who: Option<K>, wait: impl FnOnce(K) -> F) -> F::Output {
    match who {
        Some(who) => wait(who).await,
        None => std::future::pending().await,
    }
}

async fn call(endpoint: Endpoint, address: Arc<str>, mut stop: Cancel) -> Step {
    let started = Instant::now();
    let outcome = tokio::select! {
        connected = endpoint.connect(&address) => connected.map(drop),
        () = stop.cancelled() => Ok(()),
    };
    Step::Called { address, outcome, took: started.elapsed() }
}

/// The permit is given back when the peer sees the stream ended: it never has more of them open than there are permits.
async fn session(
    engine: Arc<Engine>,
    task: usize,
    mut effort: Effort,
    permit: Permit,
    mut stop: Cancel,
) -> Step {
    let options = SyncOptions { abort: stop.clone(), ..SyncOptions::default() };
    let busy = engine.activity.begin(effort.shard());
    let (outcome, wait) = loop {
        let outcome = effort.attempt(&engine, &options).await;
        tokio::select! {
            () = effort.farewell() => {}
            () = stop.cancelled() => {}
        }
        let wait = outcome.as_ref().err().and_then(|error| effort.wait_after(error));
        let at_once = wait == Some(Duration::ZERO) && outcome.as_ref().is_err_and(SyncError::is_restart);
        if !at_once {
            break (outcome, wait);
        }
    };
    drop(busy);
    drop(permit);
    match wait {
        Some(wait) => Step::Failed { task, effort: Box::new(effort), wait },
        None => conclude(engine, task, effort, outcome).await,
    }
}

async fn conclude(engine: Arc<Engine>, task: usize, effort: Effort, outcome: Result<(), SyncError>) -> Step {
    Step::Concluded { task, outcome: effort.conclude(&engine, outcome).await }
}
