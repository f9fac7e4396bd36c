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

//!
//! All who have the file open share what they know ([`Presence`]): whoever copies from the log must not copy what another
//! one knows to be lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::CoreError;
use crate::file::presence::{Mark, Presence};

/// Whether the log and the file are on the disk as far as syncs have said so. The writer and the checkpointing thread
/// share it.
pub(crate) struct DiskTrust {
    /// `None` in tests of this file alone.
    presence: Option<Arc<Presence>>,
    own: Mutex<Own>,
}

/// What this opening knows, and the others do not.
#[derive(Default)]
struct Own {
    /// The log must be written anew before a sync of it counts.
    log_suspect: bool,
    /// Why the file is lost. Lasts until the database is opened again.
    file_lost: Option<String>,
}

impl DiskTrust {
    /// `log_was_left`: the log was there before this opening, and nobody who has the file open knows of its syncs.
    pub(crate) fn new(presence: Option<Arc<Presence>>, log_was_left: bool) -> Self {
        let trust = Self { presence, own: Mutex::default() };
        if log_was_left {
            trust.log_failed();
        } else {
            trust.log_rewritten();
        }
        trust
    }

    /// Of one who opens the file beside others.
    pub(crate) fn joining(presence: Arc<Presence>) -> Self {
        Self { presence: Some(presence), own: Mutex::default() }
    }

    /// A sync of the log failed.
    pub(crate) fn log_failed(&self) {
        self.own().log_suspect = !self.share(Mark::LogIsSound, false);
    }

    /// A sync failed during a checkpoint.
    pub(crate) fn checkpoint_failed(&self, error: &rusqlite::Error) {
        self.own().file_lost.get_or_insert_with(|| error.to_string());
        self.share(Mark::FileIsLost, true);
    }

    /// The whole log was written anew, and synced. Call it while no other can write.
    pub(crate) fn log_rewritten(&self) {
        self.own().log_suspect = false;
        self.share(Mark::LogIsSound, true);
        if let Some(presence) = &self.presence {
            presence.set_sync_begun(0);
        }
    }

    /// A sync of the log begins, the one after `done`; call it while no other can write. Returns whether the one that was begun
    /// last was brought to its end: if not, who did it has died, and perhaps had seen it fail.
    pub(crate) fn begin_sync(&self, done: u64) -> bool {
        let Some(presence) = &self.presence else { return true };
        let ended = presence.sync_begun().is_none_or(|begun| begun <= done);
        presence.set_sync_begun(done + 1);
        ended
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.needs_rewrite().is_ok_and(|needs| !needs)
    }

    /// Whether the log must be written anew.
    ///
    /// # Errors
    /// `ERR_STORAGE` if nothing can become durable in this opening any more.
    pub(crate) fn needs_rewrite(&self) -> Result<bool, CoreError> {
        let own = self.own();
        let by_others = self.is_marked(Mark::FileIsLost) == Some(true);
        if let Some(reason) = own.file_lost.clone().or_else(|| by_others.then(|| SEEN_BY_OTHERS.to_owned())) {
            return Err(CoreError::SyncFailed { reason, way_out: OPEN_AGAIN });
        }
        Ok(own.log_suspect || self.is_marked(Mark::LogIsSound) == Some(false))
    }

    /// Returns whether the others can see it.
    fn share(&self, mark: Mark, set: bool) -> bool {
        self.presence.as_ref().is_some_and(|presence| presence.mark(mark, set))
    }

    fn is_marked(&self, mark: Mark) -> Option<bool> {
        self.presence.as_ref().and_then(|presence| presence.has_mark(mark))
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the error means that a sync failed.
pub(crate) fn is_sync_failure(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC))
}

const SEEN_BY_OTHERS: &str = "another opening of the file has seen a sync of it fail";
/// What has to be done about a failed sync.
pub(crate) const SYNC_AGAIN: &str =
    "check the disk, then sync again: what was committed is written anew first";
/// As [`SYNC_AGAIN`], where that is not enough.
pub(crate) const OPEN_AGAIN: &str = "check the disk, then close the database wherever it is open and open it again: what the log still holds is copied anew";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn fault() -> rusqlite::Error {
        let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        rusqlite::Error::SqliteFailure(error, None)
    }

    #[test]
    fn a_log_that_failed_once_is_suspect_until_it_was_written_anew() {
        let trust = DiskTrust::new(None, false);
        assert!(!trust.needs_rewrite().unwrap());
        trust.log_failed();
        trust.log_failed();
        assert!(trust.needs_rewrite().unwrap() && !trust.is_sound());
        trust.log_rewritten();
        assert!(!trust.needs_rewrite().unwrap() && trust.is_sound());
    }

    #[test]
    fn a_log_that_somebody_left_is_suspect() {
        assert!(DiskTrust::new(None, true).needs_rewrite().unwrap());
    }

    #[test]
    fn a_failed_checkpoint_lasts_until_the_database_is_opened_again() {
        let trust = DiskTrust::new(None, true);
        assert!(is_sync_failure(&fault()));
        trust.checkpoint_failed(&fault());
        trust.log_rewritten();
        trust.log_failed();
        let error = trust.needs_rewrite().unwrap_err();
        assert!(error.code() == "ERR_STORAGE" && error.to_string().contains("open it again"), "{error}");
        assert!(!trust.is_sound());
    }
    #[test]
    fn all_who_have_the_file_open_know_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let enter = || Presence::enter(&folder.path().join("a.db"), Duration::from_secs(9)).unwrap().0;
        let alone = Arc::new(enter());
        alone.blank().unwrap();
        let first = DiskTrust::new(Some(Arc::clone(&alone)), true);
        alone.admit_others(None).unwrap();
        let second = DiskTrust::joining(Arc::new(enter()));
        assert!(second.needs_rewrite().unwrap() && !second.is_sound());
        second.log_rewritten();
        assert!(!first.needs_rewrite().unwrap() && first.is_sound());
        first.log_failed();
        assert!(second.needs_rewrite().unwrap());
        second.log_rewritten();
        // The second one finds that nobody has ended the sync after the seventh.
        assert!(first.begin_sync(7) && !second.begin_sync(7));
        assert!(first.begin_sync(8));
        second.log_rewritten();
        assert!(first.begin_sync(7));
        first.checkpoint_failed(&fault());
        second.log_rewritten();
        assert_eq!(second.needs_rewrite().unwrap_err().code(), "ERR_STORAGE");
        assert_eq!(first.needs_rewrite().unwrap_err().code(), "ERR_STORAGE");
    }
}
