pub(crate) mod host;
pub(crate) mod lock;
pub(crate) mod record;

use std::path::{Path, PathBuf};

use vectr_delta::{ChangeId, SiteId};

use crate::CoreError;
use crate::incarnation::record::{FileLocation, IncarnationRecord, default_folder};
use crate::random::random_number;
use crate::storage::catalog::Counters;

/// Proves that a file is the one that this computer last closed or crashed with.
///
/// If no record can be kept, the database works all the same and takes a new site each time it is opened.
pub(crate) struct Incarnation {
    folder: Option<PathBuf>,
    file: Option<PathBuf>,
    /// The site and token of this opening, once it has written.
    opening: Option<(SiteId, String)>,
    /// Its record, if one could be stored.
    record: Option<IncarnationRecord>,
}

/// How the database was left, according to its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastShutdown {
    /// It was closed, and nothing has touched it since.
    Clean,
    /// Its process died, and the computer has run on since.
    Crash,
    /// It may have been restored, copied or moved, or have lost its last transactions.
    Unknown,
}

impl Incarnation {
    /// For a file. Records are kept in `folder`, or else where the system keeps application state.
    pub(crate) fn of_file(file: &Path, folder: Option<PathBuf>) -> Self {
        Self {
            folder: folder.or_else(default_folder),
            file: Some(file.to_owned()),
            opening: None,
            record: None,
        }
    }

    /// In memory nothing is left to prove.
    pub(crate) const fn in_memory() -> Self {
        Self { folder: None, file: None, opening: None, record: None }
    }

    /// Whether the file continues where its site left off.
    pub(crate) fn last_shutdown(&self, counters: &Counters) -> LastShutdown {
        let record =
            self.folder.as_deref().and_then(|folder| IncarnationRecord::load(folder, counters.origin.site));
        let (Some(record), Some(location)) = (record, self.location()) else { return LastShutdown::Unknown };
        if counters.token.as_ref() != Some(&record.token) || !record.location.is_same_file(&location) {
            return LastShutdown::Unknown;
        }
        if record.clean {
            return if counters.change_id == record.head {
                LastShutdown::Clean
            } else {
                LastShutdown::Unknown
            };
        }
        let ran_on = record.location.is_same_boot(&location) && counters.change_id >= record.head;
        if ran_on { LastShutdown::Crash } else { LastShutdown::Unknown }
    }

    /// Before a transaction commits: the first one of this opening, or of a new site, puts a new token into the
    /// record and into the database. `head` is the newest change id committed so far.
    pub(crate) fn before_write(&mut self, counters: &mut Counters, head: ChangeId) -> Result<(), CoreError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let site = counters.origin.site;
        let is_ours =
            |(own, token): &(SiteId, String)| *own == site && counters.token.as_ref() == Some(token);
        if self.opening.as_ref().is_some_and(is_ours) {
            return Ok(());
        }
        let token = format!("{:016x}{:016x}", random_number()?, random_number()?);
        // Even without a record, the new token invalidates an older one.
        counters.token = Some(token.clone());
        self.opening = Some((site, token.clone()));
        self.record = self
            .location()
            .map(|location| IncarnationRecord { site, token, clean: false, head, location })
            .filter(|record| record.store(folder).is_ok());
        Ok(())
    }

    /// Records that everything up to `head` survives a power cut. The record itself need not: it counts only within one
    /// boot.
    pub(crate) fn record_durable(&mut self, site: SiteId, head: ChangeId) {
        self.update(site, head, false);
    }

    /// Records that the database was closed and that all of it survives a power cut.
    pub(crate) fn record_close(&mut self, site: SiteId, head: ChangeId) {
        self.update(site, head, true);
    }

    /// Removes the record of a site that is no longer used.
    pub(crate) fn remove_record(&self, site: SiteId) {
        if let Some(folder) = &self.folder {
            IncarnationRecord::remove(folder, site);
        }
    }

    fn update(&mut self, site: SiteId, head: ChangeId, clean: bool) {
        let (Some(folder), Some(record)) = (&self.folder, &mut self.record) else { return };
        if record.site != site || (record.head, record.clean) == (head, clean) {
            return;
        }
        record.head = head;
        record.clean = clean;
        // On failure the record is older than the file, which costs a new site at worst.
        let _ = if clean { record.store(folder) } else { record.overwrite(folder) };
    }

    fn location(&self) -> Option<FileLocation> {
        FileLocation::of(self.file.as_deref()?).ok()
    }
}
