use std::fmt;
use std::str::FromStr;

use xxhash_rust::xxh3::Xxh3Default;

use crate::{DeltaError, Row, ShardId, Sibling, VectorId};

/// Identifies a conflict: the XXH3-128 hash of the shard, the vector and the sorted dots of its versions, which is the
/// same on every node. A new concurrent version makes it a different conflict.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConflictId(u128);

impl ConflictId {
    /// The id of the conflict in `row`. `None` if the row has only one version, or none that differ.
    #[must_use]
    pub fn of(shard: &ShardId, id: &VectorId, row: &Row) -> Option<Self> {
        if !row.is_conflict() {
            return None;
        }
        let mut hasher = Xxh3Default::new();
        for name in [shard.as_str(), id.as_str()] {
            hasher.update(&(name.len() as u32).to_le_bytes());
            hasher.update(name.as_bytes());
        }
        for dot in row.siblings().iter().map(Sibling::dot) {
            hasher.update(&dot.site.number().to_be_bytes());
            hasher.update(&dot.seq.to_le_bytes());
        }
        Some(Self(hasher.digest128()))
    }

    /// The id as tables store it: 16 bytes, in the order of its digits.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl FromStr for ConflictId {
    type Err = DeltaError;

    /// Parses the 32 hexadecimal digits that [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, DeltaError> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or_else(|| DeltaError::Argument {
            what: "conflict",
            reason: format!(
                "'{}' is not a conflict id: give the 32 hexadecimal digits that the list of conflicts shows",
                text.chars().take(100).collect::<String>()
            ),
        })
    }
}

impl fmt::Display for ConflictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ConflictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
