//! Hears of what others commit to the file.
//!
//! Each commit appends to the log, and the system tells of that. It does so before the commit can be seen, so a look that
//! finds nothing is followed by others, at growing pauses.

mod events;

use std::path::Path;
use std::sync::Arc;
use std::thread::{JoinHandle, current};
use std::time::{Duration, Instant};

use crate::CoreError;
use crate::file::location::log_of;
use crate::storage::catalog::{Counters, changed_shards};
use crate::storage::reader::Reader;
use crate::writer::commit_notifier::{Changes, CommitNotifier};
use crate::writer::follower::events::{Bell, LogEvents, Woken};

/// A thread that publishes the commits of others. Dropping it ends the thread.
pub(crate) struct CommitFollower {
    stop: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl CommitFollower {
    /// Follows the open database at `path`.
    pub(crate) fn start(path: &Path, notifier: Arc<CommitNotifier>) -> Result<Self, CoreError> {
        let stop = Arc::new(Bell::new().map_err(CoreError::io(path))?);
        let reader = Reader::open(path)?;
        let events = LogEvents::of(log_of(path), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("vectr-follower".into())
            .spawn(move || follow(&reader, events, &notifier))
            .map_err(CoreError::io(path))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for CommitFollower {
    fn drop(&mut self) {
        self.stop.ring();
        // A listener may have held the last handle of the database.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != current().id()) {
            let _ = thread.join();
        }
    }
}

fn follow(reader: &Reader, mut events: LogEvents, notifier: &CommitNotifier) {
    // Until the next look without an event, and between two looks where events come without a pause.
    let (mut pause, mut rest) = (SLOW, SHORTEST);
    loop {
        events.arm();
        // What fails now is looked at again.
        let found = publish_new(reader, notifier).unwrap_or(false);
        let looked = Instant::now();
        pause = match pause * 2 {
            _ if found => SHORTEST,
            longer if longer > LONGEST => SLOW,
            longer => longer,
        };
        let woken = match events.wait(pause) {
            Woken::Changed => {
                pause = SHORTEST / 2;
                // This database's own commits come as fast as it can write: one look is enough for many.
                let left = rest.saturating_sub(looked.elapsed());
                rest = if left.is_zero() { SHORTEST } else { LONGEST_REST.min(rest * 2) };
                if left.is_zero() { Woken::Changed } else { events.rest(left) }
            }
            woken => woken,
        };
        if woken == Woken::Stopped {
            return;
        }
    }
}

/// Publishes what was committed since the last commit that was told. Returns whether there was anything.
fn publish_new(reader: &Reader, notifier: &CommitNotifier) -> Result<bool, CoreError> {
    let connection = &reader.connection;
    let newest: i64 =
        connection.prepare_cached("SELECT commit_no FROM counter")?.query_row([], |row| row.get(0))?;
    if newest.unsigned_abs() <= notifier.commit_no() {
        return Ok(false);
    }
    let told = notifier.told();
    let snapshot = connection.unchecked_transaction()?;
    let counters = Counters::load(&snapshot)?;
    let changes = changed_shards(&snapshot, told).map(Changes::Of);
    // Those who are told may take their time, and a snapshot keeps the log from being emptied.
    drop(snapshot);
    notifier.publish(&counters, None, |_| changes);
    Ok(true)
}

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST_REST: Duration = Duration::from_millis(8);
/// Who has written to the log has committed after so long without an event, or will be seen by one look of many seconds.
const LONGEST: Duration = Duration::from_millis(512);
/// Beside the events, in case that one was lost.
const SLOW: Duration = Duration::from_secs(10);
