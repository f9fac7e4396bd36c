use std::collections::BTreeMap;

use crate::{ChangeId, DeltaError, NodeName, SiteId, VectorRow, VersionVector};

/// Whole rows on their way to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Batch {
    /// The receiver's, from its Hello: a batch of another session is none of this one's.
    pub nonce: u64,
    /// Counts the batches of the session from 0: a missing or doubled one is noticed.
    pub index: u64,
    /// The sender's changelog has been read up to here.
    pub position: ChangeId,
    /// The sender's collected frontier when the rows were read.
    pub frontier: VersionVector,
    /// What the sites in the rows are called.
    pub names: BTreeMap<SiteId, NodeName>,
    /// The rows, each vector once.
    pub rows: Vec<VectorRow>,
}

impl Batch {
    /// The most bytes of a decoded batch: more than any lawful row of 100 siblings has.
    pub const MAX_BYTES: usize = 64 << 20;
    /// The most rows.
    pub const MAX_ROWS: usize = 65_536;
}

#[allow(clippy::needless_pass_by_value, reason = "callers hand over texts and errors alike")]
pub(super) fn malformed(reason: impl ToString) -> DeltaError {
    DeltaError::Malformed { what: "batch", reason: reason.to_string() }
}
