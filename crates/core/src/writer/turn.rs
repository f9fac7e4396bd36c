//! Whose turn it is to write.
//!
//! SQLite's lock orders all who write a file, but nobody queues for it: who waits looks again and again, and one who
//! writes without a pause would hardly ever be seen without the lock. So who waits says so to all ([`Presence`]), and
//! who has just written lets them go first.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use crate::CoreError;
use crate::file::lock_holder::LockHolder;
use crate::file::presence::Presence;
use crate::storage::pragmas::BUSY;

/// One opening's way to the lock of writers.
pub(crate) struct WriteTurn {
    /// `None` in memory, where nobody else writes.
    file: Option<(PathBuf, Arc<Presence>)>,
    patience: Duration,
    /// When the caller asked for what is to be written.
    pub(crate) asked: Instant,
    /// When the lock was last seen to go from hand to hand.
    moved: Instant,
    /// When this opening last looked whether others wait.
    looked: Instant,
    /// What it said when it waited last.
    waited: u64,
}

impl WriteTurn {
    /// `patience`: how long one may keep the lock while this one waits.
    pub(crate) fn new(file: Option<(PathBuf, Arc<Presence>)>, patience: Duration) -> Self {
        let now = Instant::now();
        Self { file, patience, asked: now, moved: now, looked: now, waited: 0 }
    }

    /// Begins a transaction with the lock of writers.
    ///
    /// # Errors
    /// `ERR_BUSY` if one has kept the lock for as long as this opening waits. It says who.
    pub(crate) fn take(&mut self, connection: &Connection) -> Result<(), CoreError> {
        // SQLite would wait without saying so.
        connection.busy_timeout(Duration::ZERO)?;
        let taken = self.wait(connection);
        connection.busy_timeout(BUSY)?;
        taken
    }

    /// This opening's transaction has ended, or whatever else kept it from waiting.
    pub(crate) fn pass(&mut self) {
        self.moved = Instant::now();
    }

    fn wait(&mut self, connection: &Connection) -> Result<(), CoreError> {
        if let Some((_, presence)) = &self.file
            && self.moved.elapsed() < JUST_NOW
            && self.looked.elapsed() > BETWEEN_LOOKS
        {
            self.looked = Instant::now();
            if presence.is_awaited(self.waited) {
                sleep(GIVEN_WAY);
            }
        }
        let mut pause = SHORTEST;
        let mut seen = None;
        let began = Instant::now();
        loop {
            match connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]) {
                Ok(_) => {
                    self.pass();
                    return Ok(());
                }
                Err(error) if is_busy(&error) => {}
                Err(error) => return Err(error.into()),
            }
            // Many who write in turn keep nobody waiting in vain.
            let version: Option<i64> =
                connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0)).ok();
            if version.is_some() && seen.is_some() && version != seen {
                self.moved = Instant::now();
            }
            seen = version.or(seen);
            let waited = self.moved.max(self.asked).elapsed();
            if waited >= self.patience || began.elapsed() >= self.patience.saturating_mul(MOST_TURNS) {
                return Err(self.refusal());
            }
            if let Some((_, presence)) = &self.file {
                self.waited = presence.wait_for_turn();
            }
            sleep(pause);
            pause = LONGEST.min(pause * 2);
        }
    }

    fn refusal(&self) -> CoreError {
        let holder = self.file.as_ref().and_then(|(path, _)| LockHolder::of(path));
        let holder = holder.map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
        CoreError::Busy {
            what: "the database".into(),
            reason: format!(
                "{holder} has had a transaction open for {:?}: end that transaction or process, or wait longer",
                self.patience
            ),
        }
    }
}

/// Whether somebody else has a lock that is needed.
fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed)
    )
}

/// For how many times its patience one waits who sees others write in turn.
const MOST_TURNS: u32 = 10;
const SHORTEST: Duration = Duration::from_micros(100);
const LONGEST: Duration = Duration::from_millis(2);
/// Longer than the longest pause between two looks of one who waits.
const GIVEN_WAY: Duration = Duration::from_millis(3);
/// Shorter than others are seen to wait after they did, so that nobody is overlooked.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
const JUST_NOW: Duration = Duration::from_millis(5);
