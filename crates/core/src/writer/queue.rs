//! The queue of the writer's thread.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::CoreError;
use crate::writer::{TransactionId, Writer};

/// Which transaction a job runs in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobKind {
    /// A transaction of its own: waits for an open one to end, for at most the busy timeout each.
    Autocommit,
    /// In this open transaction.
    InTransaction(TransactionId),
    /// Runs at once: it opens a transaction, or fails if one is open.
    Begin,
    /// Opens a transaction once the open one has ended; waits as [`JobKind::Autocommit`] does.
    BeginInTurn,
    /// The last job.
    Close,
}

struct Job {
    kind: JobKind,
    arrived: Instant,
    run: Run,
}

type Run = Box<dyn FnOnce(Result<&mut Writer, CoreError>) + Send>;

/// Hands jobs to the writer's thread.
#[derive(Clone)]
pub(crate) struct WriteQueue {
    jobs: Sender<Job>,
    /// How many jobs the thread has not taken yet.
    waiting: Arc<AtomicUsize>,
}

impl WriteQueue {
    /// Moves the writer to a thread of its own.
    pub(crate) fn start(
        writer: Writer,
        busy_timeout: Duration,
    ) -> std::io::Result<(Self, JoinHandle<Result<(), CoreError>>)> {
        let (jobs, receiver) = channel();
        let waiting = Arc::<AtomicUsize>::default();
        let taken = Arc::clone(&waiting);
        let thread = std::thread::Builder::new().name("vectr-writer".into()).spawn(move || {
            WriterThread { jobs: receiver, waiting: taken, deferred: VecDeque::new(), busy_timeout, writer }
                .run()
        })?;
        Ok((Self { jobs, waiting }, thread))
    }

    /// Counts the jobs that the writer's thread has not taken yet.
    pub(crate) fn waiting(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.waiting)
    }

    /// Runs `work` on the writer's thread and waits for its outcome. If it panics, it is rolled back.
    pub(crate) fn call<T, E>(
        &self,
        kind: JobKind,
        work: impl FnOnce(&mut Writer) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<CoreError> + Send + 'static,
    {
        let (answer, answered) = sync_channel(1);
        self.submit(kind, work, move |done| {
            // The caller gave up; drop the outcome.
            let _ = answer.send(done);
        });
        answered.recv().unwrap_or_else(|_| Err(CoreError::Closed.into()))
    }

    /// Runs `work` on the writer's thread and hands its outcome to `done`, on that thread too. If `work` panics, it is
    /// rolled back.
    pub(crate) fn submit<T: 'static, E: From<CoreError> + 'static>(
        &self,
        kind: JobKind,
        work: impl FnOnce(&mut Writer) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) {
        let mut completion = Completion(Some(done), PhantomData);
        self.enqueue(kind, move |writer| {
            let outcome = match writer {
                Ok(writer) => run_or_roll_back(writer, work),
                Err(refused) => Err(refused.into()),
            };
            completion.complete(outcome);
        });
    }

    /// Runs `run` on the writer's thread, or drops it if the thread has ended.
    pub(crate) fn enqueue(
        &self,
        kind: JobKind,
        run: impl FnOnce(Result<&mut Writer, CoreError>) + Send + 'static,
    ) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.jobs.send(Job { kind, arrived: Instant::now(), run: Box::new(run) });
    }
}

/// Calls back with the outcome, or with `ERR_CLOSED` if the job is dropped before it runs.
struct Completion<T, E: From<CoreError>, F: FnOnce(Result<T, E>)>(Option<F>, PhantomData<fn(T, E)>);

impl<T, E: From<CoreError>, F: FnOnce(Result<T, E>)> Completion<T, E, F> {
    fn complete(&mut self, outcome: Result<T, E>) {
        if let Some(done) = self.0.take() {
            done(outcome);
        }
    }
}

impl<T, E: From<CoreError>, F: FnOnce(Result<T, E>)> Drop for Completion<T, E, F> {
    fn drop(&mut self) {
        self.complete(Err(CoreError::Closed.into()));
    }
}

/// Runs `work`, and rolls back if it panics.
pub(crate) fn run_or_roll_back<T, E: From<CoreError>>(
    writer: &mut Writer,
    work: impl FnOnce(&mut Writer) -> Result<T, E>,
) -> Result<T, E> {
    let done = catch_unwind(AssertUnwindSafe(|| work(&mut *writer)));
    done.unwrap_or_else(|panic| {
        writer.abandon();
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(CoreError::Storage { reason: format!("storage work panicked and was rolled back: {text}") }
            .into())
    })
}

struct WriterThread {
    jobs: Receiver<Job>,
    waiting: Arc<AtomicUsize>,
    /// Jobs that arrived while a transaction was open, in order.
    deferred: VecDeque<Job>,
    busy_timeout: Duration,
    writer: Writer,
}

impl WriterThread {
    fn run(mut self) -> Result<(), CoreError> {
        while let Some(job) = self.next() {
            match (job.kind, self.writer.open) {
                (JobKind::Close, _) => break,
                (JobKind::Autocommit | JobKind::BeginInTurn, Some(_)) => self.deferred.push_back(job),
                (JobKind::InTransaction(id), open) if open != Some(id) => {
                    (job.run)(Err(CoreError::Transaction {
                        reason: "this transaction is not open: it has ended or was never begun",
                    }));
                }
                _ => {
                    self.writer.connection.turn.asked = job.arrived;
                    (job.run)(Ok(&mut self.writer));
                    self.writer.connection.turn.pass();
                }
            }
        }
        self.writer.close()
    }

    /// `None` once all senders are gone.
    fn next(&mut self) -> Option<Job> {
        loop {
            if self.writer.open.is_none()
                && let Some(job) = self.deferred.pop_front()
            {
                return Some(job);
            }
            let arrived = match self.patience() {
                Some(left) => self.jobs.recv_timeout(left),
                None => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match arrived {
                Ok(job) => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    return Some(job);
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if self.writer.open.is_some() => self.time_out(),
                Err(RecvTimeoutError::Timeout) => {
                    self.writer.rest();
                    self.writer.connection.turn.pass();
                }
            }
        }
    }

    /// How long to wait for a job. `None`: for ever.
    fn patience(&self) -> Option<Duration> {
        match (self.writer.open, self.deferred.front()) {
            (None, _) => self.writer.rest_after(),
            (Some(_), None) => None,
            // The time of each transaction counts anew: who waits for several that end is not waiting in vain.
            (Some(_), Some(first)) => {
                Some(self.busy_timeout.saturating_sub(first.arrived.max(self.writer.opened).elapsed()))
            }
        }
    }

    fn time_out(&mut self) {
        if let Some(job) = self.deferred.pop_front() {
            (job.run)(Err(CoreError::Busy {
                what: "the database".into(),
                reason: format!(
                    "a transaction has been open for {:?}: commit it or roll it back",
                    self.busy_timeout
                ),
            }));
        }
    }
}
