//! Keeps the write-ahead log bounded without making writers wait for it.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::CoreError;
use crate::writer::connection::WriteConnection;
use crate::writer::disk_trust::{DiskTrust, OPEN_AGAIN, SYNC_AGAIN, is_sync_failure};
use crate::writer::log_rewrite::rewrite;
use crate::writer::log_watch::{FRAME_BYTES, LogExcess, LogWatch};

/// Checkpoints the log: in the background while it is short, from the writer when it grows too long or nothing is to be
/// written for a while.
pub(crate) struct Checkpointer {
    pub(crate) log: Arc<LogWatch>,
    seen: u32,
    next_passive: u32,
    next_restart: u32,
    /// Whether the log is longer than its limit.
    exceeds: bool,
    rest: Rest,
    trigger: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Held during a checkpoint: SQLite would fail a second one at once.
    running: Arc<Mutex<()>>,
}

/// What to do once nothing has been written for a while.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Nothing: the log is small, or cannot be emptied.
    Done,
    /// Copy its pages, on the thread.
    Copy,
    /// Empty it. After this time, if readers were in the way before.
    Empty(Duration),
}

impl Checkpointer {
    /// Starts a thread that copies pages of the log into the file.
    pub(crate) fn start(path: &Path, log: LogWatch) -> Result<Self, CoreError> {
        let log = Arc::new(log);
        let other = open_checkpointer(path)?;
        let (trigger, triggers) = sync_channel(1);
        let running = Arc::default();
        let shared = (Arc::clone(&running), Arc::clone(&log));
        let thread = std::thread::Builder::new()
            .name("vectr-checkpoint".into())
            .spawn(move || copy_pages(&other, &triggers, &shared.0, &shared.1.trust))
            .map_err(CoreError::io(path))?;
        let mut checkpointer = Self {
            log,
            seen: 0,
            next_passive: 0,
            next_restart: 0,
            exceeds: false,
            rest: Rest::Copy,
            trigger: Some(trigger),
            thread: Some(thread),
            running,
        };
        checkpointer.begin_anew();
        Ok(checkpointer)
    }

    /// Checkpoints if the log has grown. Call it between transactions. Returns what there is to tell of a log that is
    /// too long.
    pub(crate) fn after_commit(&mut self, connection: &mut WriteConnection) -> Option<LogExcess> {
        let pages = pages(&connection.sqlite).unwrap_or(self.seen);
        if pages < self.seen {
            self.begin_anew();
        }
        self.log.held.wrote(u64::from(pages - self.seen));
        self.seen = pages;
        self.rest = Rest::Copy;
        if pages < self.next_passive.min(self.next_restart) {
            return None;
        }
        if self.make_sound(connection).is_err() {
            // Nothing may be copied from this log, or not yet. The next barrier tells why.
            (self.next_passive, self.next_restart) = (pages + PASSIVE_PAGES, pages + PASSIVE_PAGES);
            return self.excess();
        }
        if pages >= self.next_restart {
            let emptied = {
                let _running = lock(&self.running);
                checkpoint(&connection.sqlite, Mode::Restart, &self.log.trust).unwrap_or(false)
            };
            if !emptied {
                // A reader in an old snapshot keeps the log from restarting; it then grows for a while.
                self.next_restart = pages + self.passive_pages();
                return self.excess();
            }
            self.next_restart = self.restart_pages();
            self.exceeds = false;
        } else {
            self.next_passive = pages + self.passive_pages();
            self.copy_in_background();
        }
        None
    }

    /// How long to wait for something to be written before [`Checkpointer::rest`] is called. `None`: for ever.
    pub(crate) const fn rest_after(&self) -> Option<Duration> {
        match self.rest {
            Rest::Done => None,
            Rest::Copy => Some(REST),
            Rest::Empty(after) => Some(after),
        }
    }

    /// Gives the log's space back, in steps, so that a write that comes after all waits for little. Call it between
    /// transactions.
    pub(crate) fn rest(&mut self, connection: &mut WriteConnection) {
        let is_done = self.log.file_bytes() < SMALL_BYTES || self.make_sound(connection).is_err();
        self.rest = match self.rest {
            _ if is_done => Rest::Done,
            Rest::Done => Rest::Done,
            Rest::Copy => {
                self.copy_in_background();
                Rest::Empty(REST)
            }
            Rest::Empty(after) => {
                if self.empty(&connection.sqlite) {
                    Rest::Done
                } else {
                    Rest::Empty(LONGEST_REST.min(after * 2))
                }
            }
        };
    }

    /// Makes what syncs say of the log count, by writing the log anew if it must be. Call it between transactions.
    ///
    /// # Errors
    /// `ERR_STORAGE` if it cannot be done: no sync counts then, and nothing may be copied from the log.
    pub(crate) fn make_sound(&self, connection: &mut WriteConnection) -> Result<(), CoreError> {
        if !self.log.trust.needs_rewrite()? {
            return Ok(());
        }
        let _running = lock(&self.running);
        let mut lost = String::new();
        for _ in 0..REWRITES {
            let expected = pages(&connection.sqlite)?;
            // Keeps others from writing meanwhile.
            connection.turn.take(&connection.sqlite)?;
            let rewritten = rewrite(&self.log.path, expected);
            if rewritten.is_ok() {
                self.log.trust.log_rewritten();
            }
            connection.sqlite.execute_batch("ROLLBACK")?;
            match rewritten {
                Ok(_) => return Ok(()),
                // Another one may have begun the log anew before the lock was taken.
                Err(error) if error.kind() == ErrorKind::InvalidData => lost = error.to_string(),
                Err(error) => {
                    return Err(CoreError::SyncFailed { reason: error.to_string(), way_out: SYNC_AGAIN });
                }
            }
        }
        Err(CoreError::SyncFailed { reason: lost, way_out: OPEN_AGAIN })
    }

    /// What to tell about an error of a barrier; a failed sync is remembered.
    pub(crate) fn barrier_failed(&self, error: rusqlite::Error) -> CoreError {
        if !is_sync_failure(&error) {
            return error.into();
        }
        self.log.trust.log_failed();
        CoreError::SyncFailed { reason: error.to_string(), way_out: SYNC_AGAIN }
    }

    /// Copies what is left and empties the log. Returns whether all of it was copied: another process that reads may be
    /// in the way. SQLite removes the log on closing only then.
    ///
    /// # Errors
    /// `ERR_STORAGE` if not all of it is known to be on the disk. The log is left for the next opening.
    pub(crate) fn finish(mut self, connection: &mut WriteConnection) -> Result<bool, CoreError> {
        self.stop();
        self.make_sound(connection)?;
        let settled = checkpoint(&connection.sqlite, Mode::Truncate, &self.log.trust)?;
        if settled {
            connection.sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        }
        Ok(settled)
    }

    /// Empties the log, unless a checkpoint is running or readers are in the way.
    fn empty(&mut self, connection: &Connection) -> bool {
        let emptied = self
            .running
            .try_lock()
            .is_ok_and(|_running| checkpoint(connection, Mode::Truncate, &self.log.trust).unwrap_or(false));
        if emptied {
            self.begin_anew();
        }
        emptied
    }

    /// The log begins with its first page again.
    fn begin_anew(&mut self) {
        self.seen = 0;
        self.exceeds = false;
        (self.next_passive, self.next_restart) = (self.passive_pages(), self.restart_pages());
    }

    fn copy_in_background(&self) {
        if let Some(trigger) = &self.trigger {
            // If it is full, the thread has yet to start on the last trigger, and will see these pages too.
            let _ = trigger.try_send(());
        }
    }

    /// Cuts off the readers that keep a log so long that it exceeds its limit. Returns what is new about that.
    fn excess(&mut self) -> Option<LogExcess> {
        let log_bytes = u64::from(self.seen) * FRAME_BYTES;
        if log_bytes <= self.log.limit {
            return None;
        }
        // A younger snapshot is not why the log is long: it may go on for as long again.
        let readers_cut_off = self.log.held.cut_off(u64::from(self.log.limit_pages() / 2));
        let is_new = !std::mem::replace(&mut self.exceeds, true);
        let excess = LogExcess { log_bytes, limit: self.log.limit, readers_cut_off };
        (is_new || readers_cut_off > 0).then_some(excess)
    }

    fn passive_pages(&self) -> u32 {
        PASSIVE_PAGES.min(self.log.limit_pages().div_ceil(8))
    }

    fn restart_pages(&self) -> u32 {
        RESTART_PAGES.min(self.log.limit_pages().div_ceil(4))
    }

    /// Ends the thread.
    pub(crate) fn stop(&mut self) {
        self.trigger = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn copy_pages(connection: &Connection, triggers: &Receiver<()>, running: &Mutex<()>, trust: &DiskTrust) {
    while triggers.recv().is_ok() {
        let _running = lock(running);
        if trust.is_sound() {
            // What could not be copied stays in the log until the next time; a failed sync is remembered.
            let _ = checkpoint(connection, Mode::Passive, trust);
        }
    }
}

/// Returns whether every page of the log was copied, and no reader was in the way.
///
/// # Errors
/// Of the disk. SQLite then keeps all pages in the log that it has not copied and synced; but of those that it had
/// copied before without a sync, as it does where a reader stops it, a failed sync loses track.
fn checkpoint(connection: &Connection, mode: Mode, trust: &DiskTrust) -> Result<bool, CoreError> {
    match run(connection, mode) {
        Ok(Pages { log, copied, complete }) => Ok(complete && log == copied),
        Err(error) if is_sync_failure(&error) => {
            trust.checkpoint_failed(&error);
            trust.needs_rewrite()?;
            Err(error.into())
        }
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Ok(false),
            _ => Err(error.into()),
        },
    }
}

/// The committed pages in the log. Call it between transactions.
fn pages(connection: &Connection) -> rusqlite::Result<u32> {
    run(connection, Mode::Nothing).map(|pages| pages.log)
}

/// How much a checkpoint does.
#[derive(Clone, Copy)]
enum Mode {
    Nothing,
    Passive,
    Restart,
    Truncate,
}

/// What a checkpoint found.
struct Pages {
    /// In the log.
    log: u32,
    /// Of those, copied into the file.
    copied: u32,
    /// Whether nobody was in the way.
    complete: bool,
}

/// By the pragma, which all versions of the library can do; see <https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>.
fn run(connection: &Connection, mode: Mode) -> rusqlite::Result<Pages> {
    let mut statement = connection.prepare_cached(match mode {
        Mode::Nothing => "PRAGMA main.wal_checkpoint(NOOP)",
        Mode::Passive => "PRAGMA main.wal_checkpoint(PASSIVE)",
        Mode::Restart => "PRAGMA main.wal_checkpoint(RESTART)",
        Mode::Truncate => "PRAGMA main.wal_checkpoint(TRUNCATE)",
    })?;
    statement.query_row([], |row| {
        let (busy, log, copied): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        // -1 without a log.
        let count = |pages| u32::try_from(pages).unwrap_or(0);
        Ok(Pages { log: count(log), copied: count(copied), complete: !busy })
    })
}

fn lock(running: &Mutex<()>) -> MutexGuard<'_, ()> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_checkpointer(path: &Path) -> Result<Connection, CoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.execute_batch(
        "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA checkpoint_fullfsync = ON; \
         PRAGMA cache_size = -64",
    )?;
    Ok(connection)
}

/// How often to try to write the log anew.
const REWRITES: u32 = 4;
/// 16 MiB: the thread runs a passive checkpoint.
const PASSIVE_PAGES: u32 = 1_000;
/// 48 MiB: the writer itself restarts the log.
const RESTART_PAGES: u32 = 3_072;
/// 4 MiB: a log that is no larger is left as it is.
const SMALL_BYTES: u64 = 4 << 20;
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(64);
