use serde::{Deserialize, Serialize};

use crate::ChangelogId;

/// The position of a change in one database's changelog. Counts up by one for each row that changes; 0 is before
/// the first.
pub type ChangeId = u64;

/// A position in the changelog of one life of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Whose changelog.
    pub changelog: ChangelogId,
    /// Everything up to here has been applied.
    pub position: ChangeId,
}
