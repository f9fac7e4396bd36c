//! Keeps the write-ahead log bounded without making writers wait for it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use crate::CoreError;

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
}

impl Checkpointer {
    /// Watches the writer's connection, and starts a thread that copies pages of the log into the file.
    pub(crate) fn start(connection: &mut Connection, path: &Path) -> Result<Self, CoreError> {
        let pages = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count: i32| {
            counted.store(count.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        let other = open_checkpointer(path)?;
        let (trigger, triggers) = sync_channel(1);
        let running = Arc::default();
        let shared = Arc::clone(&running);
        let thread = std::thread::Builder::new()
            .name("vectr-checkpoint".into())
            .spawn(move || copy_pages(&other, &triggers, &shared))
            .map_err(CoreError::io(path))?;
        Ok(Self {
            pages,
            seen: 0,
            next_passive: PASSIVE_PAGES,
            next_restart: RESTART_PAGES,
            trigger: Some(trigger),
            thread: Some(thread),
            running,
        })
    }

    /// Checkpoints if the log has grown. Call it between transactions.
    pub(crate) fn after_commit(&mut self, connection: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.seen {
            (self.next_passive, self.next_restart) = (PASSIVE_PAGES, RESTART_PAGES);
        }
        self.seen = pages;
        if pages >= self.next_restart {
            // A reader in an old snapshot keeps the log from restarting; it then grows for a while.
            let _running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let emptied = checkpoint(connection, CheckpointMode::RESTART);
            self.next_restart = if emptied { RESTART_PAGES } else { pages + PASSIVE_PAGES };
        } else if pages >= self.next_passive {
            self.next_passive = pages + PASSIVE_PAGES;
            if let Some(trigger) = &self.trigger {
                // If it is full, the thread has yet to start on the last trigger, and will see these pages too.
                let _ = trigger.try_send(());
            }
        }
    }

    /// Copies what is left and empties the log. Returns whether all of it was copied.
    pub(crate) fn finish(mut self, connection: &Connection) -> bool {
        self.stop();
        checkpoint(connection, CheckpointMode::TRUNCATE)
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

fn copy_pages(connection: &Connection, triggers: &Receiver<()>, running: &Mutex<()>) {
    while triggers.recv().is_ok() {
        let _running = running.lock().unwrap_or_else(PoisonError::into_inner);
        // What could not be copied stays in the log until the next time.
        checkpoint(connection, CheckpointMode::PASSIVE);
    }
}

/// Returns whether every page of the log was copied, and no reader was in the way.
fn checkpoint(connection: &Connection, mode: CheckpointMode) -> bool {
    connection.wal_checkpoint_v2(Some(MAIN_DB), mode).is_ok_and(|(log, copied)| log == copied)
}

fn open_checkpointer(path: &Path) -> Result<Connection, CoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
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
