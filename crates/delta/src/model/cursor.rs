use serde::{Deserialize, Serialize};

use crate::ChangelogId;

/// The position of a change in one database's changelog. Increases by one for each row that changes; 0 is before the
/// first.
pub type ChangeId = u64;

/// A position in one changelog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The changelog.
    pub changelog: ChangelogId,
    /// All changes up to here have been applied.
    pub position: ChangeId,
}
