//! What a failed sync leaves to be trusted.
//!
//! A system that fails to write a page reports it once and then takes the page for written. After that, a sync that
//! succeeds says nothing about the pages before it. So a failed sync is remembered here, and nothing counts as durable
//! until what was lost has been written anew:
//!
//! - *The log* (a barrier failed, or another process left a log behind, about whose syncs nothing is known): its bytes
//!   are compared with their checksums and written again, by the next barrier.
//! - *The file* (a checkpoint failed): which of its pages are lost is unknown, but the log still has them all, as long
//!   as it never starts anew. No checkpoint runs in this opening from then on. The next opening copies the whole log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::CoreError;

/// Whether the log and the file are on the disk as far as syncs have said so. The writer and the checkpointing thread
/// share it.
#[derive(Debug)]
pub(crate) struct DiskTrust(Mutex<State>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Sound,
    /// Must be written anew before a sync of it counts.
    LogSuspect,
    /// Lasts until the database is opened again.
    FileLost(String),
}

impl DiskTrust {
    /// `log_was_left`: the log was there before this opening, and nothing is known of its syncs.
    pub(crate) const fn new(log_was_left: bool) -> Self {
        Self(Mutex::new(if log_was_left { State::LogSuspect } else { State::Sound }))
    }

    /// A sync of the log failed.
    pub(crate) fn log_failed(&self) {
        let mut state = self.state();
        if *state == State::Sound {
            *state = State::LogSuspect;
        }
    }

    /// A sync failed during a checkpoint.
    pub(crate) fn checkpoint_failed(&self, error: &rusqlite::Error) {
        let mut state = self.state();
        if !matches!(*state, State::FileLost(_)) {
            *state = State::FileLost(error.to_string());
        }
    }

    /// The whole log was written anew, and synced.
    pub(crate) fn log_rewritten(&self) {
        let mut state = self.state();
        if *state == State::LogSuspect {
            *state = State::Sound;
        }
    }

    pub(crate) fn is_sound(&self) -> bool {
        *self.state() == State::Sound
    }

    /// Whether the log must be written anew.
    ///
    /// # Errors
    /// `ERR_STORAGE` if nothing can become durable in this opening any more.
    pub(crate) fn needs_rewrite(&self) -> Result<bool, CoreError> {
        match &*self.state() {
            State::Sound => Ok(false),
            State::LogSuspect => Ok(true),
            State::FileLost(reason) => {
                Err(CoreError::SyncFailed { reason: reason.clone(), way_out: OPEN_AGAIN })
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the error means that a sync failed.
pub(crate) fn is_sync_failure(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC))
}

/// What has to be done about a failed sync.
pub(crate) const SYNC_AGAIN: &str =
    "check the disk, then sync again: what was committed is written anew first";
/// As [`SYNC_AGAIN`], where that is not enough.
pub(crate) const OPEN_AGAIN: &str =
    "check the disk, then close the database and open it again: what the log still holds is copied anew";

#[cfg(test)]
mod tests {
    use super::*;

    fn fault() -> rusqlite::Error {
        let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        rusqlite::Error::SqliteFailure(error, None)
    }

    #[test]
    fn a_log_that_failed_once_is_suspect_until_it_was_written_anew() {
        let trust = DiskTrust::new(false);
        assert!(!trust.needs_rewrite().unwrap());
        trust.log_failed();
        trust.log_failed();
        assert!(trust.needs_rewrite().unwrap() && !trust.is_sound());
        trust.log_rewritten();
        assert!(!trust.needs_rewrite().unwrap() && trust.is_sound());
    }

    #[test]
    fn a_log_that_somebody_left_is_suspect() {
        assert!(DiskTrust::new(true).needs_rewrite().unwrap());
    }

    #[test]
    fn a_failed_checkpoint_lasts_until_the_database_is_opened_again() {
        let trust = DiskTrust::new(true);
        assert!(is_sync_failure(&fault()));
        trust.checkpoint_failed(&fault());
        trust.log_rewritten();
        trust.log_failed();
        let error = trust.needs_rewrite().unwrap_err();
        assert!(error.code() == "ERR_STORAGE" && error.to_string().contains("open it again"), "{error}");
        assert!(!trust.is_sound());
    }
}
