use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use vectr_transport::{Endpoint, TransportError};

use super::dispatch_queue::DispatchQueue;
use super::priority_semaphore::Permit;
use super::scheduler::Scheduler;
use super::task::{Rank, Task};
use crate::context::Context;
use crate::engine::job::SyncJob;
use crate::{CancellationSource, CancellationToken, SyncError, SyncOptions, SyncResult};

/// Executes the tasks of one call.
///
/// A task first waits for its connection, then by urgency for a session permit. After a failure it waits without any
/// permit and starts over. Dial permits and session permits are shared by all executors of a scheduler.
pub(super) struct Executor {
    context: Arc<Context>,
    endpoint: Endpoint,
    scheduler: Scheduler,
    /// The most urgent first: a task's number is its index.
    entries: Vec<Entry>,
    unfinished: usize,
    queue: DispatchQueue<Permit>,
    delayed: BTreeSet<(Instant, usize)>,
    work: JoinSet<Step>,
    stop: CancellationSource,
    stop_signals: StopSignals,
}

struct Entry {
    rank: Rank,
    address: Arc<str>,
    /// `None` while its session runs, and once it has a result.
    job: Option<SyncJob>,
    result: Option<SyncResult>,
}

/// The signals that end a call early.
pub(super) struct StopSignals {
    aborted: CancellationToken,
    engine_closed: CancellationToken,
    coordinator_closed: CancellationToken,
}

/// What an executor waits for.
enum Event {
    Stopped(SyncError),
    Permit(Permit),
    DialPermit(Permit),
    RetryDue,
    Step(Step),
}

/// The outcome of a spawned piece of work.
enum Step {
    Dialed { address: Arc<str>, outcome: Result<(), TransportError>, took: Duration },
    Failed { task: usize, job: Box<SyncJob>, wait: Duration },
    Concluded { task: usize, outcome: Result<SyncResult, SyncError> },
}

impl Executor {
    /// `tasks`: sorted, the most urgent first.
    pub(super) fn new(
        context: Arc<Context>,
        scheduler: Scheduler,
        tasks: Vec<Task>,
        stop_signals: StopSignals,
    ) -> Result<Self, SyncError> {
        let endpoint = context.endpoint()?.clone();
        let entries: Vec<Entry> = tasks.into_iter().map(|task| Entry::new(&context, task)).collect();
        let mut executor = Self {
            unfinished: entries.len(),
            endpoint,
            scheduler,
            entries,
            queue: DispatchQueue::new(),
            delayed: BTreeSet::new(),
            work: JoinSet::new(),
            stop: CancellationSource::new(),
            stop_signals,
            context,
        };
        (0..executor.entries.len()).for_each(|task| executor.enqueue(task));
        Ok(executor)
    }

    /// The results, in the order of the tasks.
    ///
    /// # Errors
    /// The signal that ended it early. All its work has ended by then.
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
            Event::Stopped(error) => return Err(error),
            Event::Permit(permit) => self.begin_session(permit),
            Event::DialPermit(permit) => self.begin_connecting(permit),
            Event::RetryDue => self.requeue_due(),
            Event::Step(Step::Dialed { address, outcome: Ok(()), .. }) => self.queue.connected(&address),
            Event::Step(Step::Dialed { address, outcome: Err(error), took }) => {
                self.fail_address(&address, &error, took);
            }
            Event::Step(Step::Failed { task, job, wait }) => self.schedule_retry(task, *job, wait),
            Event::Step(Step::Concluded { task, outcome }) => self.record_result(task, outcome?),
        }
        Ok(())
    }

    /// Permits are polled first, so that one that was granted is used instead of released.
    async fn next_event(&mut self) -> Event {
        let shared = &*self.scheduler.shared;
        let rank = |task: Option<usize>| task.map(|task| self.entries[task].rank);
        let (ready, unconnected) = (rank(self.queue.next_ready()), rank(self.queue.next_unconnected()));
        let due = self.delayed.first().map(|(at, _)| *at);
        tokio::select! {
            biased;
            error = self.stop_signals.any() => Event::Stopped(error),
            permit = when_some(ready, |rank| shared.session_permits.acquire(rank)) => Event::Permit(permit),
            permit = when_some(unconnected, |rank| shared.dial_permits.acquire(rank)) => Event::DialPermit(permit),
            () = when_some(due, |at| tokio::time::sleep_until(at.into())) => Event::RetryDue,
            Some(ended) = self.work.join_next() => match ended {
                Ok(step) => Event::Step(step),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // Only a runtime that is shutting down drops the work.
                    Err(_) => Event::Stopped(SyncError::Closed),
                },
            },
        }
    }

    fn enqueue(&mut self, task: usize) {
        let address = &self.entries[task].address;
        self.queue.push(task, address, || self.endpoint.is_connected(address));
    }

    fn begin_connecting(&mut self, permit: Permit) {
        let Some(task) = self.queue.next_unconnected() else { return };
        let address = Arc::clone(&self.entries[task].address);
        self.queue.begin_connecting(&address, permit);
        self.work.spawn(dial(self.endpoint.clone(), address, self.stop.token()));
    }

    fn begin_session(&mut self, permit: Permit) {
        let Some(task) = self.queue.next_ready() else { return };
        let entry = &mut self.entries[task];
        let job = entry.job.take().expect("a queued task is not running");
        self.queue.start(task, &entry.address);
        self.work.spawn(run_job(Arc::clone(&self.context), task, job, permit, self.stop.token()));
    }

    /// Fails all tasks of the address now; each would repeat the same failing dial.
    fn fail_address(&mut self, address: &str, error: &TransportError, took: Duration) {
        self.scheduler.record_contact(address, self.context.db.now(), false);
        for task in self.queue.fail_address(address) {
            let mut job = self.entries[task].job.take().expect("a queued task is not running");
            job.record_failed_dial(took);
            let error = SyncError::from(error.clone());
            match job.retry_delay(&error) {
                Some(wait) => self.schedule_retry(task, job, wait),
                None => drop(self.work.spawn(finish_job(Arc::clone(&self.context), task, job, Err(error)))),
            }
        }
    }

    fn schedule_retry(&mut self, task: usize, job: SyncJob, wait: Duration) {
        self.entries[task].job = Some(job);
        self.delayed.insert((Instant::now() + wait, task));
    }

    fn requeue_due(&mut self) {
        let now = Instant::now();
        while let Some((at, task)) = self.delayed.pop_first() {
            if at > now {
                self.delayed.insert((at, task));
                return;
            }
            self.enqueue(task);
        }
    }

    fn record_result(&mut self, task: usize, result: SyncResult) {
        if result.is_success() {
            self.scheduler.record_contact(&result.address, self.context.db.now(), true);
        }
        self.scheduler.count(&result);
        self.entries[task].result = Some(result);
        self.unfinished -= 1;
    }
}

impl Entry {
    fn new(context: &Context, task: Task) -> Self {
        let Task { rank, shard, address } = task;
        let shared = Arc::from(address.as_str());
        Self { rank, address: shared, job: Some(SyncJob::new(context, shard, address)), result: None }
    }
}

impl StopSignals {
    pub(super) fn new(context: &Context, scheduler: &Scheduler, aborted: CancellationToken) -> Self {
        Self {
            aborted,
            engine_closed: context.closing.token(),
            coordinator_closed: scheduler.shared.closing.token(),
        }
    }

    /// Waits for the first signal.
    pub(super) async fn any(&mut self) -> SyncError {
        tokio::select! {
            biased;
            () = self.engine_closed.cancelled() => SyncError::Closed,
            () = self.coordinator_closed.cancelled() => SyncError::CoordinatorClosed,
            () = self.aborted.cancelled() => SyncError::Aborted,
        }
    }
}

/// Waits for `wait(key)`, or for ever without a key.
async fn when_some<K, F: Future>(who: Option<K>, wait: impl FnOnce(K) -> F) -> F::Output {
    match who {
        Some(who) => wait(who).await,
        None => std::future::pending().await,
    }
}

async fn dial(endpoint: Endpoint, address: Arc<str>, mut stop: CancellationToken) -> Step {
    let started = Instant::now();
    let outcome = tokio::select! {
        connected = endpoint.connect(&address) => connected.map(drop),
        () = stop.cancelled() => Ok(()),
    };
    Step::Dialed { address, outcome, took: started.elapsed() }
}

/// Releases the permit when the stream has ended at the peer, so that the peer never sees more open streams than
/// permits.
async fn run_job(
    context: Arc<Context>,
    task: usize,
    mut job: SyncJob,
    permit: Permit,
    mut stop: CancellationToken,
) -> Step {
    let options = SyncOptions { abort: stop.clone(), ..SyncOptions::default() };
    let busy = context.activity.begin(job.shard());
    let (outcome, wait) = loop {
        let outcome = job.attempt(&context, &options).await;
        tokio::select! {
            () = job.stream_closed() => {}
            () = stop.cancelled() => {}
        }
        let wait = outcome.as_ref().err().and_then(|error| job.retry_delay(error));
        let at_once = wait == Some(Duration::ZERO) && outcome.as_ref().is_err_and(SyncError::is_restart);
        if !at_once {
            break (outcome, wait);
        }
    };
    drop(busy);
    drop(permit);
    match wait {
        Some(wait) => Step::Failed { task, job: Box::new(job), wait },
        None => finish_job(context, task, job, outcome).await,
    }
}

async fn finish_job(
    context: Arc<Context>,
    task: usize,
    job: SyncJob,
    outcome: Result<(), SyncError>,
) -> Step {
    Step::Concluded { task, outcome: job.finish(&context, outcome).await }
}
