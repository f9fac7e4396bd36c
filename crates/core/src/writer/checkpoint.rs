//! Keeps the write-ahead log bounded without making writers wait for it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};

use crate::CoreError;
use crate::writer::disk_trust::{DiskTrust, OPEN_AGAIN, SYNC_AGAIN, is_sync_failure};
use crate::writer::log_rewrite::{log_path, rewrite};

/// Checkpoints the log: in the background while it is short, from the writer when it grows too long.
pub(crate) struct Checkpointer {
    pages: Arc<AtomicU32>,
    seen: u32,
    next_passive: u32,
    next_restart: u32,
    trigger: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Held during a checkpoint: SQLite would fail a second one at once.
    running: Arc<Mutex<()>>,
    trust: Arc<DiskTrust>,
    log: PathBuf,
}

impl Checkpointer {
    /// Watches the writer's connection, and starts a thread that copies pages of the log into the file. `log_was_left`:
    /// the log was there before this opening.
    pub(crate) fn start(
        connection: &mut Connection,
        path: &Path,
        log_was_left: bool,
    ) -> Result<Self, CoreError> {
        let pages = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count: i32| {
            counted.store(count.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        // SQLite's own checkpoint on closing would empty a log whose pages may not be in the file.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let other = open_checkpointer(path)?;
        let (trigger, triggers) = sync_channel(1);
        let running = Arc::default();
        let trust = Arc::new(DiskTrust::new(log_was_left));
        let shared = (Arc::clone(&running), Arc::clone(&trust));
        let thread = std::thread::Builder::new()
            .name("vectr-checkpoint".into())
            .spawn(move || copy_pages(&other, &triggers, &shared.0, &shared.1))
            .map_err(CoreError::io(path))?;
        Ok(Self {
            pages,
            seen: 0,
            next_passive: PASSIVE_PAGES,
            next_restart: RESTART_PAGES,
            trigger: Some(trigger),
            thread: Some(thread),
            running,
            trust,
            log: log_path(path),
        })
    }

    /// Checkpoints if the log has grown. Call it between transactions.
    pub(crate) fn after_commit(&mut self, connection: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.seen {
            (self.next_passive, self.next_restart) = (PASSIVE_PAGES, RESTART_PAGES);
        }
        self.seen = pages;
        if pages < self.next_passive.min(self.next_restart) {
            return;
        }
        if self.make_sound(connection).is_err() {
            // Nothing may be copied from this log, or not yet. The next barrier tells why.
            (self.next_passive, self.next_restart) = (pages + PASSIVE_PAGES, pages + PASSIVE_PAGES);
        } else if pages >= self.next_restart {
            // A reader in an old snapshot keeps the log from restarting; it then grows for a while.
            let _running = lock(&self.running);
            let emptied = checkpoint(connection, CheckpointMode::RESTART, &self.trust).unwrap_or(false);
            self.next_restart = if emptied { RESTART_PAGES } else { pages + PASSIVE_PAGES };
        } else {
            self.next_passive = pages + PASSIVE_PAGES;
            if let Some(trigger) = &self.trigger {
                // If it is full, the thread has yet to start on the last trigger, and will see these pages too.
                let _ = trigger.try_send(());
            }
        }
    }

    /// Makes what syncs say of the log count, by writing the log anew if it must be. Call it between transactions.
    ///
    /// # Errors
    /// `ERR_STORAGE` if it cannot be done: no sync counts then, and nothing may be copied from the log.
    pub(crate) fn make_sound(&self, connection: &Connection) -> Result<(), CoreError> {
        if !self.trust.needs_rewrite()? {
            return Ok(());
        }
        let _running = lock(&self.running);
        // Keeps other processes from writing meanwhile.
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let rewritten = rewrite(&self.log, self.pages.load(Ordering::Relaxed));
        connection.execute_batch("ROLLBACK")?;
        match rewritten {
            Ok(_) => self.trust.log_rewritten(),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(CoreError::SyncFailed { reason: error.to_string(), way_out: OPEN_AGAIN });
            }
            Err(error) => {
                return Err(CoreError::SyncFailed { reason: error.to_string(), way_out: SYNC_AGAIN });
            }
        }
        Ok(())
    }

    /// What to tell about an error of a barrier; a failed sync is remembered.
    pub(crate) fn barrier_failed(&self, error: rusqlite::Error) -> CoreError {
        if !is_sync_failure(&error) {
            return error.into();
        }
        self.trust.log_failed();
        CoreError::SyncFailed { reason: error.to_string(), way_out: SYNC_AGAIN }
    }

    /// Copies what is left and empties the log. Returns whether all of it was copied: another process that reads may be
    /// in the way. SQLite removes the log on closing only then.
    ///
    /// # Errors
    /// `ERR_STORAGE` if not all of it is known to be on the disk. The log is left for the next opening.
    pub(crate) fn finish(mut self, connection: &Connection) -> Result<bool, CoreError> {
        self.stop();
        self.make_sound(connection)?;
        let settled = checkpoint(connection, CheckpointMode::TRUNCATE, &self.trust)?;
        if settled {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        }
        Ok(settled)
    }

    fn stop(&mut self) {
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
            let _ = checkpoint(connection, CheckpointMode::PASSIVE, trust);
        }
    }
}

/// Returns whether every page of the log was copied, and no reader was in the way.
///
/// # Errors
/// Of the disk. SQLite then keeps all pages in the log that it has not copied and synced; but of those that it had
/// copied before without a sync, as it does where a reader stops it, a failed sync loses track.
fn checkpoint(connection: &Connection, mode: CheckpointMode, trust: &DiskTrust) -> Result<bool, CoreError> {
    match connection.wal_checkpoint_v2(Some(MAIN_DB), mode) {
        Ok((log, copied)) => Ok(log == copied),
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

/// 16 MiB: the thread runs a passive checkpoint.
const PASSIVE_PAGES: u32 = 1_000;
/// 48 MiB: the writer itself restarts the log.
const RESTART_PAGES: u32 = 3_072;
