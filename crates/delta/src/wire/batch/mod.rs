mod codec;
mod columns;
mod reader;

use std::collections::BTreeMap;

pub(super) use codec::{decode, encode, unpacked_bytes};

use crate::{ChangeId, DeltaError, NodeName, SiteId, VectorRow, VersionVector};

/// Whole rows sent to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Batch {
    /// The nonce of the receiver's Hello, so that a batch of another session is noticed.
    pub nonce: u64,
    /// Counts the batches of the session from 0, so that a missing or repeated one is noticed.
    pub index: u64,
    /// The sender's changelog has been read up to here.
    pub position: ChangeId,
    /// The sender's collected frontier when the rows were read.
    pub frontier: VersionVector,
    /// The names of the sites in the rows.
    pub names: BTreeMap<SiteId, NodeName>,
    /// The rows, at most one for each vector.
    pub rows: Vec<VectorRow>,
}

impl Batch {
    /// The most bytes of a decoded batch. A row of 100 siblings fits.
    pub const MAX_BYTES: usize = 64 << 20;
    /// The most rows.
    pub const MAX_ROWS: usize = 65_536;
}

#[allow(clippy::needless_pass_by_value, reason = "callers hand over texts and errors alike")]
fn malformed(reason: impl ToString) -> DeltaError {
    DeltaError::Malformed { what: "batch", reason: reason.to_string() }
}
