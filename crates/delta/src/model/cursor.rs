use serde::{Deserialize, Serialize};

use crate::{ChangelogId, VectorId, VersionVector};

/// The position of a change in one database's changelog. Increases by one for each row that changes; 0 is before the
/// first.
pub type ChangeId = u64;

/// The number of a write transaction of one database. What was read in a transaction may be sent only once it is
/// durable.
pub type CommitNo = u64;

/// A position in one changelog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The changelog.
    pub changelog: ChangelogId,
    /// All changes up to here have been applied.
    pub position: ChangeId,
}

/// A row of a peer that was not taken in, on the list that is kept with the cursor: the cursor has passed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRow {
    /// The vector.
    pub id: VectorId,
    /// What may be missing here of this vector: nothing is claimed of these sites because the peer claims it. Empty
    /// where that is unknown; then nothing at all is.
    pub context: VersionVector,
    /// The last transaction before the one that put the row on the list, or refused it once more. An answer takes the row
    /// off only while it is the one that was asked for.
    pub revision: CommitNo,
}

impl HeldRow {
    /// The most rows of one peer and shard on a list.
    pub const MAX_ROWS: usize = 1_024;
    /// The most sites of a row on a list.
    pub const MAX_SITES: usize = 256;
    /// The most sites of all rows of one peer and shard on a list.
    pub const MAX_ENTRIES: usize = 32_768;
}

/// What shows whether a list of held rows is still the same: no row gets a revision that another one had in an earlier
/// transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HeldStamp {
    /// How many rows are on the list.
    pub rows: u64,
    /// The greatest [`HeldRow::revision`]; 0 where there are none.
    pub revision: CommitNo,
}
