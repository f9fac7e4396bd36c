use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use vectr_delta::{
    ConflictId, DeltaError, MAX_CLOCK_SKEW, NodeName, RefusedRow, ShardId, Timestamp, VectorId,
};

/// Why a database refused or failed. Nothing has changed when one of these is returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    // The caller's argument.
    /// What the delta logic refuses: dimensions, components, ids, metadata.
    #[error(transparent)]
    Delta(#[from] DeltaError),
    /// A path that cannot be a database file.
    #[error("'{path}' is {what}: give the path of a database file")]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// A statement that `query` does not run.
    #[error("query refused: {reason}")]
    Query {
        /// What SQLite says, or which rule it breaks.
        reason: String,
    },
    /// The id is in use.
    #[error("vector '{id}' exists in shard '{shard}': use upsert or update")]
    Exists {
        /// Which vector.
        id: VectorId,
        /// Where.
        shard: ShardId,
    },
    /// A backup would replace a file.
    #[error("'{path}' exists: a backup never replaces a file, give another path")]
    FileExists {
        /// The path.
        path: PathBuf,
    },
    /// No such vector.
    #[error("vector '{id}' does not exist in shard '{shard}'")]
    NotFound {
        /// Which vector.
        id: VectorId,
        /// Where.
        shard: ShardId,
    },
    /// No such conflict, or none any more.
    #[error(
        "conflict {conflict} is unknown here, or settled: list the pending conflicts for those that stand"
    )]
    UnknownConflict {
        /// Its id.
        conflict: ConflictId,
    },
    /// A conflict of another vector than the caller's.
    #[error(
        "conflict {conflict} is about vector '{id}' of shard '{shard}', not about '{}' of '{}': resolve it there", expected.1, expected.0
    )]
    OtherConflict {
        /// Its id.
        conflict: ConflictId,
        /// Which vector it is about.
        id: VectorId,
        /// Where.
        shard: ShardId,
        /// What the caller took it for.
        expected: (ShardId, VectorId),
    },
    /// A row of a delta that does not come in; none of the delta's does then.
    #[error("{}", delta_row_text(row, *wall))]
    DeltaRow {
        /// Which, and why.
        row: RefusedRow,
        /// What the clock showed.
        wall: Timestamp,
    },
    /// More changes than a delta may hold.
    #[error(
        "the changes after {since} are more than one delta takes (65536 changes, 64 MiB): ask for fewer vectors at a \
         time, each delta from the timestamp of the one before; where very many share a moment, for more; or sync"
    )]
    DeltaSize {
        /// The moment that they were to follow.
        since: Timestamp,
    },
    /// A claim about changes that the shard does not show to hold.
    #[error(
        "shard '{shard}' is not known to hold the changes of '{site}' up to {claimed}, only up to {held}: sync with \
         a node that holds them"
    )]
    NotHeld {
        /// Where.
        shard: ShardId,
        /// Whose changes.
        site: String,
        /// The number claimed.
        claimed: u64,
        /// The number known.
        held: u64,
    },
    /// The database goes by another name.
    #[error("this database is node '{recorded}', not '{given}': open it under the recorded name")]
    NodeId {
        /// What it is called.
        recorded: NodeName,
        /// What the caller calls it.
        given: NodeName,
    },
    /// A transaction where none may be, or none where one has to be.
    #[error("{reason}")]
    Transaction {
        /// Which, and the way out.
        reason: &'static str,
    },

    // Time and order.
    /// Someone else has it; trying again can help.
    #[error("{what} is busy: {reason}")]
    Busy {
        /// What.
        what: String,
        /// Who holds it.
        reason: String,
    },
    /// The caller gave up.
    #[error("the search was cancelled")]
    Aborted,
    /// The database was closed.
    #[error("the database is closed: open it again")]
    Closed,

    // The file.
    /// A file of another program, or of a newer version of this one.
    #[error("'{path}' cannot be opened: {reason}")]
    Schema {
        /// The file.
        path: PathBuf,
        /// Why, and the way out.
        reason: String,
    },
    /// SQLite failed.
    #[error("{}", storage_text(place, source))]
    Sqlite {
        /// The file; empty in memory.
        place: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file system failed.
    #[error("'{path}': {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something stored does not read.
    #[error("damaged storage: {reason}: restore a backup, or sync into a new file")]
    Damaged {
        /// What.
        reason: String,
    },
    /// Storage work failed in a way that several callers hear of, or panicked.
    #[error("{reason}")]
    Storage {
        /// What happened.
        reason: String,
    },
}

impl CoreError {
    /// The stable code that JavaScript sees as `error.code`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Delta(error) => error.code(),
            Self::NoFile { .. } | Self::Query { .. } | Self::OtherConflict { .. } => "ERR_ARGUMENT",
            Self::DeltaRow { row, .. } => row.code,
            Self::DeltaSize { .. } => "ERR_LIMIT",
            Self::NotHeld { .. } => "ERR_NOT_HELD",
            Self::Exists { .. } | Self::FileExists { .. } => "ERR_EXISTS",
            Self::NotFound { .. } | Self::UnknownConflict { .. } => "ERR_NOT_FOUND",
            Self::NodeId { .. } => "ERR_NODE_ID",
            Self::Transaction { .. } => "ERR_TRANSACTION",
            Self::Busy { .. } => "ERR_BUSY",
            Self::Aborted => "ERR_ABORTED",
            Self::Closed => "ERR_CLOSED",
            Self::Schema { .. } => "ERR_CONFIG",
            Self::Sqlite { .. } | Self::Io { .. } | Self::Damaged { .. } | Self::Storage { .. } => {
                "ERR_STORAGE"
            }
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    /// The same error for another of several callers.
    pub(crate) fn duplicate(&self) -> Self {
        match self {
            Self::Busy { what, reason } => Self::Busy { what: what.clone(), reason: reason.clone() },
            Self::Closed => Self::Closed,
            other => Self::Storage { reason: other.to_string() },
        }
    }

    /// Names the file in an error that came from SQLite without it.
    pub(crate) fn with_path(self, path: Option<&Path>) -> Self {
        match self {
            Self::Sqlite { place, source } if place.as_os_str().is_empty() => {
                Self::Sqlite { place: path.unwrap_or(Path::new("")).to_owned(), source }
            }
            other => other,
        }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

impl From<rusqlite::Error> for CoreError {
    fn from(source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { what: "the database".into(), reason: source.to_string() }
            }
            _ => Self::Sqlite { place: PathBuf::new(), source },
        }
    }
}

fn storage_text(place: &Path, source: &rusqlite::Error) -> String {
    let place = if place.as_os_str().is_empty() { "in memory".into() } else { place.display().to_string() };
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => format!("{place}: the disk is full: {source}"),
        Some(ErrorCode::DatabaseCorrupt) => format!("{place}: the file is corrupt: {source}"),
        Some(ErrorCode::NotADatabase) => format!("{place}: no SQLite database: {source}"),
        _ => format!("{place}: {source}"),
    }
}

fn delta_row_text(RefusedRow { id, code, newest }: &RefusedRow, wall: Timestamp) -> String {
    let why = match *code {
        "ERR_CLOCK_SKEW" => format!(
            "is stamped {} s ahead of this clock, and {} s are allowed: set the clock that is wrong",
            newest.since(wall).as_secs(),
            MAX_CLOCK_SKEW.as_secs()
        ),
        "ERR_DIMENSIONS" => "has another number of components than the shard's vectors".to_owned(),
        "ERR_VECTOR" => "has a component that is not finite".to_owned(),
        "ERR_LIMIT" => "would have more concurrent versions than a vector may have".to_owned(),
        _ => "has metadata that is no JSON object of at most 262144 bytes".to_owned(),
    };
    format!("nothing of the delta is applied: its vector '{id}' {why}")
}
