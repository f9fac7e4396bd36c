pub(crate) mod preparation;
pub(crate) mod verification;

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::db::overview::overview;
use crate::file::location::{beside, check_kind};
use crate::file::log;
use crate::file::quiet_reader::{QuietReader, changing};
use crate::inspect::verification::verify;
use crate::storage::catalog::is_begun;
use crate::storage::schema;
use crate::storage::sites::SiteNumbers;
use crate::storage::snapshot::Snapshot;
use crate::storage::version_cache::VersionCache;
use crate::{CoreError, Overview, Verification};

/// Reads a database file without opening it as a node: takes no lock of the database's own, writes nothing, and keeps
/// its site. So it works while another process has the database open, on a copy that must remain a copy, on files that
/// may only be read, and in folders where nothing may be created. What a killed process left beside the file stays as it
/// is; only in the index (`-shm`) of a file that another process is writing SQLite marks where it reads. On Unix nothing
/// is left beside the file; elsewhere SQLite may leave an empty log (`-wal`, `-shm`) where there was none.
#[non_exhaustive]
pub struct Inspection {
    path: PathBuf,
}

impl Inspection {
    /// Checks that the file is a database that can be read.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a file that is not a SQLite database, `ERR_CONFIG` for a file of another program or a newer
    /// build, `ERR_STORAGE` for one that cannot be read, `ERR_BUSY` for one that others keep opening and closing.
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
        let inspection = Self { path };
        let path = inspection.path();
        let begun = inspection.attempt(|reader| {
            Ok(schema::check(&reader.connection, path)? > 0 && is_begun(&reader.connection)?)
        })?;
        if begun { Ok(inspection) } else { Err(CoreError::NoFile { path: inspection.path, what: "empty" }) }
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
    /// `ERR_STORAGE`, `ERR_BUSY`.
    pub fn overview(&self) -> Result<Overview, CoreError> {
        self.look(|snapshot, _| overview(snapshot, Some(self.path.clone())))
    }

    /// Checks every stored byte that can be checked; see [`Verification`]. Reads the whole file once, in one
    /// transaction: a database in use is checked as of one moment.
    ///
    /// # Errors
    /// `ERR_STORAGE` if the file is so damaged that nothing in it can be read. All lesser damage is reported in the
    /// result. `ERR_BUSY`.
    pub fn verify(&self) -> Result<Verification, CoreError> {
        self.look(verify)
    }

    fn look<T>(
        &self,
        look: impl Fn(&Snapshot<'_>, &SiteNumbers) -> Result<T, CoreError>,
    ) -> Result<T, CoreError> {
        self.attempt(|reader| {
            let (sites, versions) = (SiteNumbers::default(), VersionCache::default());
            look(&Snapshot::begin(&reader.connection, &sites, &versions, None)?, &sites)
        })
    }

    /// Reads with `look`, again if the file was written meanwhile.
    fn attempt<T>(&self, look: impl Fn(&QuietReader) -> Result<T, CoreError>) -> Result<T, CoreError> {
        for attempt in 0..ATTEMPTS {
            let reader = QuietReader::open(&self.path, attempt > 0)?;
            let found = look(&reader);
            let lost = found.as_ref().is_err_and(|error| reader.footing.has_lost_index(error));
            if reader.footing.is_consistent() && (attempt > 0 || !lost) {
                return found.map_err(|error| error.with_path(Some(&self.path)));
            }
            drop(reader);
            sleep(PAUSE);
        }
        Err(changing(&self.path))
    }
}

const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(30);
