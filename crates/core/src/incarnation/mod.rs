//! Lives of a database. A site is one continuous life, and its numbers must never be given out twice, so a site goes on
//! only if it is proven that nothing happened to the file in between.
//!
//! The proof lies where no snapshot, image, backup or copy of a disk reaches: in volatile memory of this boot
//! ([`runtime_folder`]). Whatever does not match it exactly is a new life, with a new site and a new changelog.

pub(crate) mod boot;
pub(crate) mod record;
pub(crate) mod runtime_folder;

use std::path::Path;
use std::sync::Arc;

use crate::CoreError;
use crate::file::location::FileNumber;
use crate::incarnation::boot::{BootWatch, may_have_resumed};
use crate::incarnation::record::{LifeRecord, Place, RecordFile};
use crate::random::random_number;
use crate::storage::catalog::Counters;

/// The current life of a database.
///
/// If no record can be kept, the database works all the same and takes a new site each time it is opened and written.
pub(crate) struct Incarnation {
    /// `None` where nothing can be proven.
    kept: Option<(RecordFile, Place)>,
    /// Of this life, once it has committed.
    token: Option<String>,
    /// Watches nothing if the database has a clock of its own, or the system cannot tell.
    pub(crate) boot: Arc<BootWatch>,
}

/// What the record says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Continuity {
    /// It was closed, and nothing has touched it since.
    Closed,
    /// Its process died, and nothing has touched it since.
    Crashed,
    /// It may have been restored, copied or moved, or have lost its last transactions.
    Unproven,
}

impl Incarnation {
    /// For the open file at `path`, whose record is kept in `folder`.
    ///
    /// # Errors
    /// `ERR_BUSY` if the file is open elsewhere, under whatever name.
    pub(crate) fn of_file(path: &Path, folder: Option<&Path>, watch_clock: bool) -> Result<Self, CoreError> {
        let number = FileNumber::of(path).map_err(CoreError::io(path))?;
        let kept = match (runtime_folder::find(folder), number) {
            (Some(folder), Some(number)) => {
                RecordFile::open(&folder, path, number)?.map(|record| (record, Place::of(path, number)))
            }
            _ => None,
        };
        let boot = if watch_clock { BootWatch::start() } else { BootWatch::default() };
        Ok(Self { kept, token: None, boot: Arc::new(boot) })
    }

    /// In memory nothing is left to prove.
    pub(crate) fn in_memory() -> Self {
        Self { kept: None, token: None, boot: Arc::default() }
    }

    /// Whether the file continues where the last life left off.
    pub(crate) fn continuity(&self, counters: &Counters) -> Continuity {
        let Some((file, place)) = &self.kept else { return Continuity::Unproven };
        let Some(record) = file.read() else { return Continuity::Unproven };
        let same_boot = record.place == *place && !may_have_resumed(record.boot_moment, self.boot.moment());
        let same_state = record.site == counters.origin.site
            && counters.token.as_ref() == Some(&record.token)
            && (counters.change_id, counters.commit_no) == (record.head, record.commit_no);
        match same_boot && same_state {
            true if record.clean => Continuity::Closed,
            true => Continuity::Crashed,
            false => Continuity::Unproven,
        }
    }

    /// Before a transaction commits: the first one of this life draws a token, which invalidates every older record, and
    /// true is returned.
    pub(crate) fn draw_token(&mut self, counters: &mut Counters) -> Result<bool, CoreError> {
        if self.token.is_some() && self.token == counters.token {
            return Ok(false);
        }
        let token = match self.token.take() {
            // The commit that was to store it has failed.
            Some(token) => token,
            None => format!("{:016x}{:016x}", random_number()?, random_number()?),
        };
        counters.token = Some(token.clone());
        self.token = Some(token);
        Ok(true)
    }

    /// After each commit.
    pub(crate) fn record_commit(&self, counters: &Counters) {
        self.record(counters, false);
    }

    /// Records that the database was closed and that all of it survives a power cut.
    pub(crate) fn record_close(&self, counters: &Counters) {
        self.record(counters, true);
    }

    /// Ends this life: the next commit is the first of another.
    pub(crate) fn end_life(&mut self) {
        self.token = None;
        self.boot.accept();
    }

    fn record(&self, counters: &Counters, clean: bool) {
        let (Some((file, place)), Some(token)) = (&self.kept, &self.token) else { return };
        let record = LifeRecord {
            site: counters.origin.site,
            token: token.clone(),
            clean,
            head: counters.change_id,
            commit_no: counters.commit_no,
            place: place.clone(),
            boot_moment: self.boot.moment(),
        };
        // On failure the record is older than the file, which costs a new site.
        let _ = file.write(&record);
    }
}
