use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ErrorCode;
use vectr_delta::{
    ChangeId, ConflictId, DeltaError, MAX_CLOCK_SKEW, NodeName, RefusedRow, ShardId, Timestamp, VectorId,
};

use crate::error_text::{io_text, sqlite_text};

/// Why a database refused or failed. Nothing has changed when one of these is returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    // The caller's argument.
    /// What the delta logic refuses: dimensions, components, ids, metadata.
    #[error(transparent)]
    Delta(#[from] DeltaError),
    /// The path does not name a database file.
    #[error("'{path}' is {what}: give the path of a database file")]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// The file has several names.
    #[error(
        "'{path}' has {names} names (hard links), and each would get a log of its own: keep one name, or make a copy \
         with `backup`"
    )]
    HardLinks {
        /// One of them.
        path: PathBuf,
        /// How many there are.
        names: u64,
    },
    /// `query` does not run this statement.
    #[error("query refused: {reason}")]
    Query {
        /// SQLite's message, or the rule that the statement breaks.
        reason: String,
    },
    /// The id is in use.
    #[error("vector '{id}' exists in shard '{shard}': use upsert or update")]
    Exists {
        /// The vector.
        id: VectorId,
        /// Where.
        shard: ShardId,
    },
    /// The backup would replace a file.
    #[error("'{path}' exists: a backup never replaces a file, give another path")]
    FileExists {
        /// The path.
        path: PathBuf,
    },
    /// The name belongs to another database, which keeps its log, its lock or its key there.
    #[error(
        "'{path}' is where the database '{of}' keeps its log, its lock or its key: give the path of another file"
    )]
    Companion {
        /// The path.
        path: PathBuf,
        /// The database.
        of: PathBuf,
    },
    /// A vector of another length than those of its shard.
    #[error(
        "the vector has {found} components, and the vectors of shard '{shard}' have {expected}: give as many, or name \
         another shard"
    )]
    Dimensions {
        /// The shard.
        shard: ShardId,
        /// The number in the shard.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// A shard of a peer whose vectors have another length than those of its namesake here.
    #[error(
        "the vectors of shard '{shard}' have {ours} components here and {theirs} at the peer: these are two shards, so \
         give one of them another name"
    )]
    PeerDimensions {
        /// The shard.
        shard: ShardId,
        /// The number here.
        ours: usize,
        /// The number at the peer.
        theirs: usize,
    },
    /// No such vector.
    #[error("vector '{id}' does not exist in shard '{shard}'")]
    NotFound {
        /// The vector.
        id: VectorId,
        /// Where.
        shard: ShardId,
    },
    /// The conflict is unknown or already resolved.
    #[error(
        "conflict {conflict} is unknown or already resolved: list the pending conflicts for the current ids"
    )]
    UnknownConflict {
        /// Its id.
        conflict: ConflictId,
    },
    /// The conflict belongs to another vector than the caller named.
    #[error(
        "conflict {conflict} belongs to vector '{id}' of shard '{shard}', not to '{}' of '{}'", expected.1, expected.0
    )]
    OtherConflict {
        /// Its id.
        conflict: ConflictId,
        /// The vector it belongs to.
        id: VectorId,
        /// Where.
        shard: ShardId,
        /// The shard and vector that the caller named.
        expected: (ShardId, VectorId),
    },
    /// A row of a delta was refused, and so none of the delta was applied.
    #[error("{}", delta_row_text(row, *wall))]
    DeltaRow {
        /// Which, and why.
        row: RefusedRow,
        /// What the clock read.
        wall: Timestamp,
    },
    /// A feed was to begin behind a change that there is not.
    #[error(
        "no change is as new as {since}, the newest one is {newest}: the file is another one, or an older copy of the one \
         that had it; begin with 0, or behind {newest}"
    )]
    ChangeNotHeld {
        /// The change.
        since: ChangeId,
        /// Its newest one.
        newest: ChangeId,
    },
    /// A change that cannot be read.
    #[error("change {change_id} cannot be read: {source}; those after it begin behind {change_id}")]
    UnreadableChange {
        /// Its id.
        change_id: ChangeId,
        /// Why.
        source: Box<CoreError>,
    },
    /// A row that has more than a delta may hold.
    #[error(
        "vector '{id}' of shard '{shard}' has more versions, sites or bytes than one delta may hold: sync it"
    )]
    DeltaRowSize {
        /// The vector.
        id: VectorId,
        /// Where.
        shard: ShardId,
    },
    /// More changes than a delta may hold.
    #[error(
        "the changes after {since} exceed one delta (65536 changes, 64 MiB): ask for fewer vectors at a time, and start \
         each delta at the timestamp of the one before; ask for more if very many share a timestamp; or sync"
    )]
    DeltaSize {
        /// Where the delta was to start.
        since: Timestamp,
    },
    /// A query returned more than its caller allows.
    #[error("the query returns more than {limit}: use LIMIT or fewer columns, or allow more")]
    QuerySize {
        /// How much it may return: so many rows, or bytes.
        limit: String,
    },
    /// The shard does not hold all changes that the caller claims for it.
    #[error(
        "shard '{shard}' is known to hold the changes of '{site}' up to {held}, not up to {claimed}: sync with a node \
         that holds them"
    )]
    NotHeld {
        /// Where.
        shard: ShardId,
        /// Whose changes.
        site: String,
        /// The highest change number claimed.
        claimed: u64,
        /// The highest change number that is held.
        held: u64,
    },
    /// The database records another node name.
    #[error("this database is node '{recorded}', not '{given}': open it under the recorded name")]
    NodeId {
        /// The recorded name.
        recorded: NodeName,
        /// The name that the caller gave.
        given: NodeName,
    },
    /// A transaction is open where none may be, or none is open where one must be.
    #[error("{reason}")]
    Transaction {
        /// Which of the two, and what to do.
        reason: &'static str,
    },

    // Time and order.
    /// Another caller or process holds it. Retrying can help.
    #[error("{what} is busy: {reason}")]
    Busy {
        /// What.
        what: String,
        /// Who holds it.
        reason: String,
    },
    /// The caller cancelled the search or the query.
    #[error("the call was cancelled")]
    Aborted,
    /// A query ran for longer than its caller allows.
    #[error("the query did not end within {allowed:?}: narrow it, or allow more time")]
    QueryTimeout {
        /// The time that it had.
        allowed: Duration,
    },
    /// The database was closed.
    #[error("the database is closed: open it again")]
    Closed,

    // The file.
    /// A call that writes, to a database that was opened for reading only.
    #[error("'{path}' is open for reading only: open it without readOnly to write")]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file at this path is no longer the one that was opened for reading only.
    #[error(
        "'{path}' has been replaced or removed since it was opened for reading only: close it, and open what is there now"
    )]
    Replaced {
        /// Where it was.
        path: PathBuf,
    },
    /// A file of another program, or of a newer version of this one.
    #[error("'{path}' cannot be opened: {reason}")]
    Schema {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The log beside the file does not continue it. Both were left as they are.
    #[error(
        "'{log}' does not continue '{path}': {reason}. Both were left as they are. To use the file as it is, move the \
         log away; to go on with the log, put back the file that it was written for"
    )]
    ForeignLog {
        /// The file.
        path: PathBuf,
        /// The log.
        log: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// SQLite failed.
    #[error("{}", sqlite_text(place, source))]
    Sqlite {
        /// The file; empty in memory, and where it is not known.
        place: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The disk failed to take what was written. The system may have given up what is not durable yet, whatever it says
    /// of later syncs; so nothing more counts as durable until that was written anew.
    #[error(
        "a sync to the disk failed, and what was committed may be lost by a power cut: {reason}: {way_out}"
    )]
    SyncFailed {
        /// What the system says.
        reason: String,
        /// What to do.
        way_out: &'static str,
    },
    /// The file system failed.
    #[error("{}", io_text(path, source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Vectors whose stored content is not what was written.
    #[error("{}", damaged_text(shard, ids, *count))]
    DamagedVectors {
        /// Where.
        shard: ShardId,
        /// The first of them.
        ids: Vec<VectorId>,
        /// How many there are.
        count: u64,
    },
    /// Stored data cannot be read.
    #[error("damaged storage: {reason}: restore a backup, or sync into a new file")]
    Damaged {
        /// What.
        reason: String,
    },
    /// Storage work panicked, or failed for several callers at once.
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
            Self::NoFile { .. }
            | Self::Companion { .. }
            | Self::HardLinks { .. }
            | Self::Query { .. }
            | Self::OtherConflict { .. } => "ERR_ARGUMENT",
            Self::DeltaRow { row, .. } => row.code,
            Self::Dimensions { .. } | Self::PeerDimensions { .. } => "ERR_DIMENSIONS",
            Self::DeltaSize { .. } | Self::DeltaRowSize { .. } | Self::QuerySize { .. } => "ERR_LIMIT",
            Self::NotHeld { .. } | Self::ChangeNotHeld { .. } => "ERR_NOT_HELD",
            Self::UnreadableChange { source, .. } => source.code(),
            Self::Exists { .. } | Self::FileExists { .. } => "ERR_EXISTS",
            Self::NotFound { .. } | Self::UnknownConflict { .. } => "ERR_NOT_FOUND",
            Self::NodeId { .. } => "ERR_NODE_ID",
            Self::Transaction { .. } => "ERR_TRANSACTION",
            Self::Busy { .. } => "ERR_BUSY",
            Self::Aborted => "ERR_ABORTED",
            Self::QueryTimeout { .. } => "ERR_TIMEOUT",
            Self::Closed => "ERR_CLOSED",
            Self::ReadOnly { .. } => "ERR_READ_ONLY",
            Self::Schema { .. } | Self::Replaced { .. } => "ERR_CONFIG",
            Self::ForeignLog { .. }
            | Self::Sqlite { .. }
            | Self::SyncFailed { .. }
            | Self::Io { .. }
            | Self::DamagedVectors { .. }
            | Self::Damaged { .. }
            | Self::Storage { .. } => "ERR_STORAGE",
        }
    }

    /// Whether a retry can succeed.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    /// A vector whose stored content is not what was written.
    pub(crate) fn damaged_vector(shard: &ShardId, id: &VectorId) -> Self {
        Self::DamagedVectors { shard: shard.clone(), ids: vec![id.clone()], count: 1 }
    }

    /// Where vectors are damaged, if that is what failed.
    pub(crate) fn damaged_shard(&self) -> Option<&ShardId> {
        match self {
            Self::DamagedVectors { shard, .. } => Some(shard),
            Self::UnreadableChange { source, .. } => source.damaged_shard(),
            _ => None,
        }
    }

    /// Whether it is only one row that cannot be read, and others can.
    pub(crate) fn is_damage_of_a_row(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Delta(_) => true,
            // SQLite did not fail: a column has a value of another type.
            Self::Sqlite { source, .. } => source.sqlite_error_code().is_none(),
            _ => false,
        }
    }

    /// The same error for another of several callers.
    pub(crate) fn duplicate(&self) -> Self {
        match self {
            Self::Busy { what, reason } => Self::Busy { what: what.clone(), reason: reason.clone() },
            Self::Closed => Self::Closed,
            Self::SyncFailed { reason, way_out } => Self::SyncFailed { reason: reason.clone(), way_out },
            Self::Sqlite { place, source: rusqlite::Error::SqliteFailure(error, text) } => {
                let source = rusqlite::Error::SqliteFailure(*error, text.clone());
                Self::Sqlite { place: place.clone(), source }
            }
            other => Self::Storage { reason: other.to_string() },
        }
    }

    /// Adds the shard to an error that concerns its vectors.
    pub(crate) fn in_shard(self, shard: &ShardId) -> Self {
        match self {
            Self::Delta(DeltaError::Dimensions { expected, found }) => {
                Self::Dimensions { shard: shard.clone(), expected, found }
            }
            other => other,
        }
    }

    /// Adds the file's path to an error of SQLite that has none.
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

fn damaged_text(shard: &ShardId, ids: &[VectorId], count: u64) -> String {
    let way_out = "with its vector and metadata, delete it, or restore a backup";
    match ids {
        [id] if count == 1 => {
            format!("vector '{id}' of shard '{shard}' no longer matches its hash: write it anew {way_out}")
        }
        ids => {
            let named: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
            let more = if count > ids.len() as u64 { " and more" } else { "" };
            format!(
                "{count} vectors of shard '{shard}' no longer match their hashes, {}{more}: write each anew {way_out}",
                named.join(", ")
            )
        }
    }
}

fn delta_row_text(RefusedRow { id, code, newest }: &RefusedRow, wall: Timestamp) -> String {
    let why = match *code {
        "ERR_CLOCK_SKEW" => format!(
            "is stamped {} s ahead of this clock, and only {} s are allowed: correct the wrong clock",
            newest.since(wall).as_secs(),
            MAX_CLOCK_SKEW.as_secs()
        ),
        "ERR_DIMENSIONS" => "does not have as many components as the shard's vectors".to_owned(),
        "ERR_VECTOR" => "has a component that is not a finite number".to_owned(),
        "ERR_LIMIT" => "would have more concurrent versions than a vector may have".to_owned(),
        _ => "has metadata that is not a JSON object of at most 262144 bytes and 1000 levels with each key once"
            .to_owned(),
    };
    format!("nothing of the delta is applied: its vector '{id}' {why}")
}
