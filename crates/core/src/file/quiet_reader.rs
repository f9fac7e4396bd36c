//! Reading a file so that nothing is left beside it.
//!
//! Whoever opens a file with a write-ahead log needs the log and its index (`-wal`, `-shm`). SQLite creates both where
//! they are missing, for a reader too: that fails in a folder where nothing may be created, and what is left there
//! belongs to the reader, so that the file's owner may be locked out. See <https://www.sqlite.org/wal.html#readonly>.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{Connection, ErrorCode};

use crate::CoreError;
use crate::file::location::{FileNumber, beside, log_of};
use crate::file::log_frames::{self, Frames};
use crate::file::open_files::{OpenFile, Others};
use crate::storage::pragmas::{
    open_immutable, open_reader, open_with_index_as_it_is, open_with_private_index,
};

/// A connection for reading a file that is not opened as a node.
pub(crate) struct QuietReader {
    pub(crate) connection: Connection,
    pub(crate) footing: Footing,
}

/// What the connection of a [`QuietReader`] relies on. It must outlive the connection.
pub(crate) struct Footing {
    path: PathBuf,
    /// How the file and its log were before the reading began, unless SQLite's locks keep them so.
    before: Option<State>,
    _open_file: OpenFile,
}

impl QuietReader {
    /// Opens the file at `path`, and creates nothing. `is_written`: another program was seen to write it, and is taken to
    /// have it open still.
    pub(crate) fn open(path: &Path, is_written: bool) -> Result<Self, CoreError> {
        Self::open_by(path, |others| Ok(Way::to(path, others, is_written)))
    }

    /// Opens the file at `path` for as long as [`Footing::is_consistent`], and creates nothing. Where a log and its index
    /// lie beside it, SQLite's locks keep others from taking back what is read, and it notes in the index where it reads,
    /// as beside a writer: an index that was left by a killed process is made anew, or, where it may not be written, kept
    /// in memory.
    ///
    /// # Errors
    /// `ERR_BUSY` for a log without an index, while this process has the file open in another way.
    pub(crate) fn open_to_stay(path: &Path) -> Result<Self, CoreError> {
        Self::open_by(path, |others| Way::to_stay(path, others))
    }

    fn open_by(
        path: &Path,
        choose: impl FnOnce(Others) -> Result<Way, CoreError>,
    ) -> Result<Self, CoreError> {
        let before = State::of(path);
        let opened = OpenFile::for_reading(path, |others| {
            let way = choose(others)?;
            let connection = match way {
                Way::Locked => open_reader(path),
                Way::IndexAsItIs => open_with_index_as_it_is(path),
                Way::Immutable => open_immutable(path),
                Way::PrivateIndex => open_with_private_index(path),
            }?;
            Ok((connection, matches!(way, Way::IndexAsItIs | Way::PrivateIndex), way))
        });
        let (open_file, connection, way) = opened.map_err(|error| error.with_path(Some(path)))?;
        let before = (way != Way::Locked).then_some(before);
        let footing = Footing { path: path.to_owned(), before, _open_file: open_file };
        Ok(Self { connection, footing })
    }
}

impl Footing {
    /// Whether SQLite's locks keep what a transaction reads.
    pub(crate) const fn is_kept(&self) -> bool {
        self.before.is_none()
    }

    /// Whether an error says no more than that the index is in use in a way that only who writes to it can follow, as
    /// beside a process that died while another has the file open.
    pub(crate) fn has_lost_index(&self, error: &CoreError) -> bool {
        is_read_only(error) && self.before.is_some()
    }

    /// Whether all that was read is of one state of the file. If not, another program has written it meanwhile: neither
    /// what was read nor an error counts, and another attempt reads by its locks.
    pub(crate) fn is_consistent(&self) -> bool {
        self.before.as_ref().is_none_or(|before| *before == State::of(&self.path))
    }
}

/// Whether SQLite had to write to the index, and may not.
pub(crate) fn is_read_only(error: &CoreError) -> bool {
    matches!(error, CoreError::Sqlite { source, .. } if source.sqlite_error_code() == Some(ErrorCode::ReadOnly))
}

/// How a file is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By SQLite's locks, beside others: the log and its index are there.
    Locked,
    /// As `Locked`, but without writing to the index. Whether anybody has the file open is not known: if not, what lies
    /// there was left by a process that was killed.
    IndexAsItIs,
    /// Without locks: nobody has the file open, and all of it is in the file itself.
    Immutable,
    /// Without locks, with an index of the log in memory: the log of a file that nobody has open, such as a copy.
    PrivateIndex,
}

impl Way {
    fn to(path: &Path, others: Others, is_written: bool) -> Self {
        let log = fs::metadata(log_of(path)).ok();
        let log_is_empty = log.as_ref().is_none_or(|log| log.len() == 0);
        let has_index = beside(path, "-shm").exists();
        match others {
            // Only there do files have the means for the rest.
            _ if !cfg!(unix) => Self::Locked,
            Others::Locked => Self::Locked,
            // Its end frees the locks of all handles of this process.
            Others::Unlocked if log_is_empty => Self::Immutable,
            Others::Unlocked => Self::PrivateIndex,
            Others::None if log_is_empty && (log.is_none() || !has_index || !is_readable(path)) => {
                Self::Immutable
            }
            Others::None if has_index && is_written => Self::Locked,
            Others::None if has_index && has_beginning(&log_of(path)) => Self::IndexAsItIs,
            Others::None => Self::PrivateIndex,
        }
    }

    fn to_stay(path: &Path, others: Others) -> Result<Self, CoreError> {
        let log = fs::metadata(log_of(path)).ok();
        let log_is_empty = log.as_ref().is_none_or(|log| log.len() == 0);
        let has_index = log.is_some() && beside(path, "-shm").exists();
        Ok(match others {
            _ if !cfg!(unix) => Self::Locked,
            Others::Unlocked if log_is_empty => Self::Immutable,
            Others::Unlocked => Self::PrivateIndex,
            Others::Locked if has_index => Self::Locked,
            Others::None if has_index && (!log_is_empty || is_readable(path)) => Self::Locked,
            _ if log_is_empty => Self::Immutable,
            // The end of a handle without locks would drop those of the others.
            Others::Locked => return Err(without_index(path)),
            Others::None => Self::PrivateIndex,
        })
    }
}

fn without_index(path: &Path) -> CoreError {
    CoreError::Busy {
        what: format!("'{}'", path.display()),
        reason: "its log lies there without an index (-shm), and this process has the file open already: close it here first"
            .to_owned(),
    }
}

/// The file was written whenever it was read.
pub(crate) fn changing(path: &Path) -> CoreError {
    CoreError::Busy {
        what: format!("'{}'", path.display()),
        reason: "it changed whenever it was read: try again".to_owned(),
    }
}

/// Whether SQLite takes the log for one. An index as it is has to match it: SQLite tries for ten seconds, and gives up with
/// "locking protocol". A header alone is no log to it.
fn has_beginning(log: &Path) -> bool {
    File::open(log).is_ok_and(|mut log| {
        let is_longer = log.metadata().is_ok_and(|found| found.len() > log_frames::HEADER as u64);
        is_longer && matches!(Frames::read(&mut log), Ok(Some(_)))
    })
}

/// Whether SQLite can read the file by the log and the index that lie beside it. They can belong to another user.
fn is_readable(path: &Path) -> bool {
    let looked = open_with_index_as_it_is(path).and_then(|connection| {
        Ok(connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?)
    });
    !matches!(
        looked,
        Err(CoreError::Sqlite { source, .. }) if matches!(
            source.sqlite_error_code(),
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
        )
    )
}

/// What changes with a file and its log whenever they are written.
#[derive(PartialEq, Eq)]
struct State {
    number: Option<FileNumber>,
    file: Option<(u64, SystemTime)>,
    log: Option<(u64, SystemTime)>,
    has_index: bool,
}

impl State {
    fn of(path: &Path) -> Self {
        let written = |path: &Path| {
            let found = fs::metadata(path).ok()?;
            Some((found.len(), found.modified().ok()?))
        };
        Self {
            number: FileNumber::of(path).ok().flatten(),
            file: written(path),
            log: written(&log_of(path)),
            has_index: beside(path, "-shm").exists(),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;

    use super::*;
    use crate::VectrDB;

    // The end of a handle without locks would drop those of the writer.
    #[test]
    fn a_file_that_is_read_without_locks_is_not_opened_for_writing() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let db = VectrDB::open(path("open.db")).unwrap();
        for suffix in ["", "-wal"] {
            fs::copy(beside(&path("open.db"), suffix), beside(&path("copy.db"), suffix)).unwrap();
        }
        db.close().unwrap();
        let reader = QuietReader::open(&path("copy.db"), false).unwrap();
        assert_eq!(VectrDB::open(path("copy.db")).unwrap_err().code(), "ERR_BUSY");
        assert!(reader.footing.is_consistent());
        drop(reader);
        VectrDB::open(path("copy.db")).unwrap().close().unwrap();
    }

    #[test]
    fn what_was_read_while_another_program_wrote_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        VectrDB::open(&path).unwrap().close().unwrap();
        let reader = QuietReader::open(&path, false).unwrap();
        assert!(reader.footing.is_consistent());
        let raw = Connection::open(&path).unwrap();
        raw.execute_batch("UPDATE counter SET barriers = barriers + 1").unwrap();
        assert!(!reader.footing.is_consistent());
        raw.close().unwrap();
        assert!(!reader.footing.is_consistent());
    }
}
