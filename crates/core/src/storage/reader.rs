use std::path::Path;

use rusqlite::Connection;
use vectr_delta::Dimensions;

use crate::CoreError;
use crate::file::location::FileNumber;
use crate::file::quiet_reader::{Footing, QuietReader, is_read_only};
use crate::storage::pragmas::open_reader;
use crate::storage::schema;
use crate::storage::sites::SiteNumbers;
use crate::storage::snapshot::Snapshot;
use crate::storage::version_cache::VersionCache;

/// A connection for reading, and the sites that it has met.
pub(crate) struct Reader {
    pub(crate) connection: Connection,
    pub(crate) sites: SiteNumbers,
    /// What this connection has read of a file whose state no lock keeps: it may be of no one state.
    versions: VersionCache,
    /// Of a file that is open for reading only. After the connection, which relies on it.
    footing: Option<Footing>,
}

impl Reader {
    /// Reads a file that this process has open for writing.
    pub(crate) fn open(path: &Path) -> Result<Self, CoreError> {
        Ok(Self {
            connection: open_reader(path)?,
            sites: SiteNumbers::default(),
            versions: VersionCache::default(),
            footing: None,
        })
    }

    /// Reads a file that is open for reading only, and creates nothing.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self, CoreError> {
        let QuietReader { connection, footing } = QuietReader::open_to_stay(path)?;
        Ok(Self {
            connection,
            sites: SiteNumbers::default(),
            versions: VersionCache::default(),
            footing: Some(footing),
        })
    }

    /// Whether a read of the file with this number can begin on this connection. If not, a new one is needed.
    ///
    /// # Errors
    /// `ERR_CONFIG` if the file was replaced, or a newer build has migrated it; `ERR_STORAGE`.
    pub(crate) fn is_usable(&self, path: &Path, number: Option<FileNumber>) -> Result<bool, CoreError> {
        if FileNumber::of(path).map_err(CoreError::io(path))? != number {
            return Err(CoreError::Replaced { path: path.to_owned() });
        }
        let checked = schema::check_readable(&self.connection, path);
        if self.has_failed(checked.as_ref().err()) {
            return Ok(false);
        }
        checked.map(|()| true)
    }

    /// Begins a read transaction. `versions` are shared by all readers whose snapshots SQLite's locks keep.
    pub(crate) fn snapshot<'r>(
        &'r self,
        versions: &'r VersionCache,
        dimensions: Option<Dimensions>,
    ) -> Result<Snapshot<'r>, CoreError> {
        let is_kept = self.footing.as_ref().is_none_or(Footing::is_kept);
        let versions = if is_kept { versions } else { &self.versions };
        Snapshot::begin(&self.connection, &self.sites, versions, dimensions)
    }

    /// Whether what was read, or failed with `error`, is of no one state of the file: it must be read again.
    pub(crate) fn has_failed(&self, error: Option<&CoreError>) -> bool {
        let Some(footing) = &self.footing else { return false };
        !footing.is_consistent() || error.is_some_and(is_read_only)
    }
}
