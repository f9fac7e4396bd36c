use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::limits::bounds::{MAX_QUEUED_BYTES, MAX_UNSENT_OF_SESSION};

/// Bytes that a node has read for its peers and not handed to their streams yet. All sessions of a node share it.
///
/// A session that has nothing on its way may always read a page, whatever the others hold: so peers that read nothing
/// stop nobody, and a node holds its limit and a page for each session at most.
pub(crate) struct SendBudget {
    limit: u64,
    used: AtomicU64,
    /// Whoever waits for room waits for this first: they get it in the order in which they came.
    turn: Semaphore,
    freed: Notify,
}

/// What one session has of the budget. Given back when the session and its writer are gone.
pub(crate) struct SendAccount {
    budget: Arc<SendBudget>,
    /// Bytes that were read, or are being read, and have not been written.
    held: AtomicU64,
    /// Of these, what waits for the stream.
    queued: AtomicU64,
    /// Reads that wait for room.
    waiting: AtomicUsize,
    /// When the stream last took something, or got something to take after it had nothing.
    progress: Mutex<Instant>,
    changed: Notify,
}

/// How a stream gets rid of its messages.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    /// Since when the peer could have read more, or has read all.
    pub(crate) last: Instant,
    /// Messages wait for the stream.
    pub(crate) is_writing: bool,
}

impl SendBudget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit: limit.max(1), used: AtomicU64::new(0), turn: Semaphore::new(1), freed: Notify::new() }
    }

    /// The bytes that all sessions hold.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        self.used() < self.limit
    }

    fn is_free(&self) -> bool {
        self.turn.available_permits() > 0 && self.has_room()
    }

    async fn room(&self) {
        // Never closed.
        let _turn = self.turn.acquire().await;
        until(&self.freed, || self.has_room()).await;
    }

    fn release(&self, bytes: u64) {
        subtract(&self.used, bytes);
        if self.has_room() {
            self.freed.notify_waiters();
        }
    }
}

impl SendAccount {
    pub(crate) fn new(budget: &Arc<SendBudget>) -> Arc<Self> {
        Arc::new(Self {
            budget: Arc::clone(budget),
            held: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            progress: Mutex::new(Instant::now()),
            changed: Notify::new(),
        })
    }

    /// Makes room for a read of about `bytes` if there is some at once.
    pub(crate) fn try_reserve(&self, bytes: u64) -> bool {
        let may_read = self.is_idle() || self.is_below_limit() && self.budget.is_free();
        if may_read {
            self.charge(bytes);
        }
        may_read
    }

    /// Counts a read that waits, until what is returned is dropped.
    pub(crate) fn begin_waiting(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(self))
    }

    /// Waits for room for a read of about `bytes`, and makes it.
    pub(crate) async fn reserve(&self, bytes: u64) {
        until(&self.changed, || self.is_below_limit()).await;
        tokio::select! {
            () = until(&self.changed, || self.is_idle()) => {}
            () = self.budget.room() => {}
        }
        self.charge(bytes);
    }

    /// What was reserved for a read turned out to be `bytes`.
    pub(crate) fn settle(&self, reserved: u64, bytes: u64) {
        self.charge(bytes);
        self.release(reserved);
    }

    pub(crate) fn charge(&self, bytes: u64) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        self.budget.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A message waits for the stream.
    pub(crate) fn enqueue(&self, bytes: u64) {
        if self.queued.fetch_add(bytes, Ordering::Relaxed) == 0 {
            self.note_progress();
        }
    }

    /// The stream has taken a part of a message.
    pub(crate) fn note_progress(&self) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(crate) fn progress(&self) -> Progress {
        let last = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        Progress { last, is_writing: self.queued.load(Ordering::Relaxed) > 0 }
    }

    /// A message of `queued` bytes was written, and with it what was held for it.
    pub(crate) fn dequeue(&self, queued: u64, held: u64) {
        subtract(&self.queued, queued);
        self.release(held);
    }

    /// Whether the stream takes further messages soon.
    pub(crate) fn has_room(&self) -> bool {
        self.queued.load(Ordering::Relaxed) < MAX_QUEUED_BYTES
    }

    /// Waits until it does. Cancel-safe.
    pub(crate) async fn room(&self) {
        until(&self.changed, || self.has_room()).await;
    }

    /// Reads that wait until the peer has read more.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn is_idle(&self) -> bool {
        self.held.load(Ordering::Relaxed) == 0
    }

    fn is_below_limit(&self) -> bool {
        self.held.load(Ordering::Relaxed) < MAX_UNSENT_OF_SESSION.min(self.budget.limit)
    }

    fn release(&self, bytes: u64) {
        // What a message weighs may differ a little from what was read for it.
        let released = subtract(&self.held, bytes);
        self.budget.release(released);
        self.changed.notify_waiters();
    }
}

impl Drop for SendAccount {
    fn drop(&mut self) {
        self.budget.release(*self.held.get_mut());
    }
}

/// Counts a read that waits, also when its session ends meanwhile.
pub(crate) struct Waiting(Arc<SendAccount>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn until(changed: &Notify, is_so: impl Fn() -> bool) {
    loop {
        let mut change = pin!(changed.notified());
        // Registered before looking, so that no change is missed in between.
        change.as_mut().enable();
        if is_so() {
            return;
        }
        change.await;
    }
}

/// Subtracts at most what there is; returns how much it was.
fn subtract(from: &AtomicU64, bytes: u64) -> u64 {
    let left = |now: u64| Some(now.saturating_sub(bytes));
    let before = from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).unwrap_or_default();
    before.min(bytes)
}
