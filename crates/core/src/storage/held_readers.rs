//! Snapshots that callers hold for as long as they like: those of queries and iterations.
//!
//! The log cannot start anew while an old snapshot needs it. The writer therefore cuts off the callers that hold one for
//! too long, measured in what has been written meanwhile.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::CoreError;
use crate::storage::reader::Reader;

/// All held snapshots of a database.
#[derive(Default)]
pub(crate) struct HeldReaders {
    state: Mutex<State>,
    /// Pages written to the log since the database was opened.
    written: AtomicU64,
    cut_off: AtomicU64,
}

#[derive(Default)]
struct State {
    holds: Vec<Weak<Hold>>,
    closed: bool,
}

/// One held snapshot.
pub(crate) struct Hold {
    /// What had been written when it began.
    since: u64,
    end: End,
    /// The connection, unless it is being read from.
    idle: Mutex<Option<Reader>>,
}

/// Whether a snapshot was ended from outside, and why. Statements that run in it poll this.
#[derive(Clone, Default)]
pub(crate) struct End(Arc<AtomicU8>);

impl HeldReaders {
    /// Registers a snapshot that is about to begin.
    ///
    /// # Errors
    /// `ERR_CLOSED`.
    pub(crate) fn hold(&self) -> Result<Arc<Hold>, CoreError> {
        let mut state = self.state();
        if state.closed {
            return Err(CoreError::Closed);
        }
        let since = self.written.load(Ordering::Relaxed);
        let hold = Arc::new(Hold { since, end: End::default(), idle: Mutex::default() });
        state.holds.retain(|hold| hold.strong_count() > 0);
        state.holds.push(Arc::downgrade(&hold));
        Ok(hold)
    }

    /// Counts pages that were written to the log.
    pub(crate) fn wrote(&self, pages: u64) {
        self.written.fetch_add(pages, Ordering::Relaxed);
    }

    /// Ends the snapshots during which at least `pages` were written. Returns how many.
    pub(crate) fn cut_off(&self, pages: u64) -> usize {
        let written = self.written.load(Ordering::Relaxed);
        let is_old = |hold: &Arc<Hold>| written - hold.since >= pages && !hold.end.has_come();
        let old: Vec<_> = self.state().holds.iter().filter_map(Weak::upgrade).filter(is_old).collect();
        for hold in &old {
            hold.end(CUT_OFF);
        }
        self.cut_off.fetch_add(old.len() as u64, Ordering::Relaxed);
        old.len()
    }

    /// Ends all snapshots, and refuses further ones.
    pub(crate) fn close(&self) {
        let holds = {
            let mut state = self.state();
            state.closed = true;
            std::mem::take(&mut state.holds)
        };
        for hold in holds.iter().filter_map(Weak::upgrade) {
            hold.end(CLOSED);
        }
    }

    /// How many snapshots are held.
    pub(crate) fn count(&self) -> usize {
        let is_held = |hold: &Arc<Hold>| !hold.end.has_come();
        self.state().holds.iter().filter_map(Weak::upgrade).filter(is_held).count()
    }

    /// How many have been cut off.
    pub(crate) fn count_cut_off(&self) -> u64 {
        self.cut_off.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    pub(crate) fn outside_end(&self) -> End {
        self.end.clone()
    }

    /// Takes the connection, to read from it.
    ///
    /// # Errors
    /// As [`End::check`].
    pub(crate) fn take(&self, what: &str, way_out: &str) -> Result<Reader, CoreError> {
        let reader = self.idle().take();
        self.end.check(what, way_out)?;
        reader.ok_or(CoreError::Closed)
    }

    /// Puts the connection back, or closes it if the snapshot has been ended meanwhile.
    pub(crate) fn put_back(&self, reader: Reader) {
        let mut idle = self.idle();
        *idle = Some(reader);
        // Checked under the lock: who ends it sets the mark first, and then takes what is here.
        if self.end.has_come() {
            *idle = None;
        }
    }

    fn end(&self, why: u8) {
        self.end.0.store(why, Ordering::SeqCst);
        let reader = self.idle().take();
        drop(reader);
    }

    fn idle(&self) -> MutexGuard<'_, Option<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    pub(crate) fn has_come(&self) -> bool {
        self.0.load(Ordering::SeqCst) != NONE
    }

    /// # Errors
    /// `ERR_BUSY` with `way_out` if `what` was cut off; `ERR_CLOSED` if the database was closed.
    pub(crate) fn check(&self, what: &str, way_out: &str) -> Result<(), CoreError> {
        match self.0.load(Ordering::SeqCst) {
            NONE => Ok(()),
            CUT_OFF => Err(CoreError::Busy {
                what: what.to_owned(),
                reason: format!(
                    "its snapshot was dropped because the write-ahead log had reached its limit and could not be \
                     emptied: {way_out}, or raise the limit of the log"
                ),
            }),
            _ => Err(CoreError::Closed),
        }
    }
}

const NONE: u8 = 0;
const CUT_OFF: u8 = 1;
const CLOSED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_snapshots_that_outlived_many_writes_are_cut_off() {
        let held = HeldReaders::default();
        let old = held.hold().unwrap();
        held.wrote(10);
        let young = held.hold().unwrap();
        held.wrote(5);
        assert_eq!((held.cut_off(11), held.count()), (1, 1));
        let error = old.outside_end().check("it", "start again").unwrap_err();
        assert!(error.code() == "ERR_BUSY" && error.to_string().contains("start again"), "{error}");
        young.outside_end().check("it", "").unwrap();
        assert_eq!((held.cut_off(11), held.count_cut_off()), (0, 1));
    }

    #[test]
    fn a_close_ends_all_and_refuses_more() {
        let held = HeldReaders::default();
        let hold = held.hold().unwrap();
        held.close();
        assert_eq!(hold.outside_end().check("it", "").unwrap_err().code(), "ERR_CLOSED");
        assert_eq!(held.hold().err().unwrap().code(), "ERR_CLOSED");
    }
}
