pub(crate) mod preparation;
pub(crate) mod verification;

use std::path::{Path, PathBuf};

use crate::db::overview::overview;
use crate::file::location::{beside, check_kind};
use crate::file::log;
use crate::file::open_files::OpenFile;
use crate::inspect::verification::verify;
use crate::storage::catalog::is_begun;
use crate::storage::pragmas::open_reader;
use crate::storage::reader::Reader;
use crate::storage::schema;
use crate::storage::sites::SiteNumbers;
use crate::storage::snapshot::Snapshot;
use crate::storage::version_cache::VersionCache;
use crate::{CoreError, Overview, Verification};

/// Reads a database file without opening it as a node: takes no lock, writes nothing, and keeps its site. So it works
/// while another process has the database open, and on a copy that must remain a copy.
///
/// SQLite may leave an empty log (`-wal`, `-shm`) beside a file that had none.
#[non_exhaustive]
pub struct Inspection {
    reader: Reader,
    versions: VersionCache,
    path: PathBuf,
    _open_file: OpenFile,
}

impl Inspection {
    /// Opens the file for reading.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a file that is not a SQLite database, `ERR_CONFIG` for a file of another program or a newer
    /// build,
    /// `ERR_STORAGE` for one that cannot be read.
    pub fn open(path: &Path) -> Result<Self, CoreError> {
        if !path.exists() {
            return Err(CoreError::NoFile { path: path.to_owned(), what: "not there" });
        }
        check_kind(path)?;
        let path = std::fs::canonicalize(path).map_err(CoreError::io(path))?;
        schema::check_header(&path)?;
        log::check_in_use(&path)?;
        if beside(&path, "-journal").exists() {
            // Only the opening that makes a file has such a journal, and this one was interrupted.
            return Err(CoreError::NoFile { path, what: "empty" });
        }
        let opened = OpenFile::with(&path, false, || open_reader(&path));
        let (open_file, connection) = opened.map_err(|error| error.with_path(Some(&path)))?;
        let version = schema::check(&connection, &path).map_err(|error| error.with_path(Some(&path)))?;
        if version == 0 || !is_begun(&connection)? {
            return Err(CoreError::NoFile { path, what: "empty" });
        }
        let reader = Reader { connection, sites: SiteNumbers::default() };
        Ok(Self { reader, versions: VersionCache::default(), path, _open_file: open_file })
    }

    /// Whether the file is marked as a database of this program, in its header or in the log beside it.
    ///
    /// # Errors
    /// `ERR_STORAGE` if it cannot be read.
    pub fn recognizes(path: &Path) -> Result<bool, CoreError> {
        Ok(path.is_file() && schema::is_ours(path)?)
    }

    /// The file, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state of the database.
    ///
    /// # Errors
    /// `ERR_STORAGE`.
    pub fn overview(&self) -> Result<Overview, CoreError> {
        self.look(|snapshot| overview(snapshot, Some(self.path.clone())))
    }

    /// Checks every stored byte that can be checked; see [`Verification`]. Reads the whole file once, in one
    /// transaction: a database in use is checked as of one moment.
    ///
    /// # Errors
    /// `ERR_STORAGE` if the file is so damaged that nothing in it can be read. All lesser damage is reported in the
    /// result.
    pub fn verify(&self) -> Result<Verification, CoreError> {
        self.look(|snapshot| verify(snapshot, &self.reader.sites))
    }

    fn look<T>(&self, look: impl FnOnce(&Snapshot<'_>) -> Result<T, CoreError>) -> Result<T, CoreError> {
        let snapshot = Snapshot::begin(&self.reader.connection, &self.reader.sites, &self.versions, None);
        snapshot.and_then(|snapshot| look(&snapshot)).map_err(|error| error.with_path(Some(&self.path)))
    }
}
