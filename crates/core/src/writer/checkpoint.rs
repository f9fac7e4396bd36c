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

/// The writer's view of the log.
pub(crate) struct Checkpointer {
    pages: Arc<AtomicU32>,
    seen: u32,
    next_passive: u32,
    next_restart: u32,
    trigger: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// SQLite lets one checkpoint run and turns others away at once; this is where they wait.
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

    /// To be called between transactions.
    pub(crate) fn after_commit(&mut self, connection: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.seen {
            (self.next_passive, self.next_restart) = (PASSIVE_PAGES, RESTART_PAGES);
        }
        self.seen = pages;
        if pages >= self.next_restart {
            // A reader that stays in an old snapshot keeps the log from starting over: then it grows for a while.
            let _running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let emptied = checkpoint(connection, CheckpointMode::RESTART);
            self.next_restart = if emptied { RESTART_PAGES } else { pages + PASSIVE_PAGES };
        } else if pages >= self.next_passive {
            self.next_passive = pages + PASSIVE_PAGES;
            if let Some(trigger) = &self.trigger {
                // Full: the thread has yet to begin with the last one, and will see these pages too.
                let _ = trigger.try_send(());
            }
        }
    }

    /// Copies what is left and empties the log. Whether all of it went.
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
        // What it could not copy stays in the log, for the next time.
        checkpoint(connection, CheckpointMode::PASSIVE);
    }
}

/// Whether every page of the log has been copied, and nobody is in the way.
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

/// 16 MiB: the thread starts to copy.
const PASSIVE_PAGES: u32 = 1_000;
/// 48 MiB: the writer itself sees to it that the log starts over.
const RESTART_PAGES: u32 = 3_072;
