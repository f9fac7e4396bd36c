use std::time::Duration;

use vectr_core::StoredConflict;
use vectr_delta::ShardId;

use crate::SyncError;

/// The result of a sync, over all its attempts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SyncResult {
    /// The shard.
    pub shard: ShardId,
    /// The peer's address, as given.
    pub address: String,
    /// Rows sent.
    pub changes_sent: u64,
    /// Rows received, whether they changed anything or not.
    pub changes_received: u64,
    /// Rows received that changed this database.
    pub changes_applied: u64,
    /// Vectors of this database that were damaged, lost or altered by another program, and came back from the peer.
    pub vectors_repaired: u64,
    /// Vectors that gained concurrent versions here.
    pub conflicts_detected: u64,
    /// Those that the shard's strategy resolves, or the conflict handler has.
    pub conflicts_resolved: u64,
    /// All conflicts of the shard that wait for a decision.
    pub conflicts_unresolved: Vec<StoredConflict>,
    /// Bytes of frames sent to the peer.
    pub bytes_sent: u64,
    /// Bytes of frames received from it.
    pub bytes_received: u64,
    /// Number of attempts, at least 1.
    pub attempts: u32,
    /// Time from the call to its result. In a coordinator the sum of its attempts, without the delays between them.
    pub duration: Duration,
    /// Whether the stream went over TCP.
    pub fallback: bool,
    /// Warnings, which do not make the sync fail.
    pub warnings: Vec<String>,
    /// The reason of a failure. What was applied stays applied.
    pub failure: Option<SyncFailure>,
}

/// The reason why a sync failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncFailure {
    /// A stable error code.
    pub code: String,
    /// A message for people.
    pub message: String,
}

impl From<&SyncError> for SyncFailure {
    fn from(error: &SyncError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}

impl SyncResult {
    pub(crate) const fn new(shard: ShardId, address: String) -> Self {
        Self {
            shard,
            address,
            changes_sent: 0,
            changes_received: 0,
            changes_applied: 0,
            vectors_repaired: 0,
            conflicts_detected: 0,
            conflicts_resolved: 0,
            conflicts_unresolved: Vec::new(),
            bytes_sent: 0,
            bytes_received: 0,
            attempts: 0,
            duration: Duration::ZERO,
            fallback: false,
            warnings: Vec::new(),
            failure: None,
        }
    }

    /// Whether both nodes now have each other's changes.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.failure.is_none()
    }

    /// The result, or its failure as the error that `sync` itself returns: one channel for whatever went wrong.
    ///
    /// # Errors
    /// The failure, by its code. What was applied stays applied.
    pub fn into_result(self) -> Result<Self, SyncError> {
        match self.failure {
            None => Ok(self),
            Some(SyncFailure { code, message }) => Err(SyncError::Session { code, message, retry: false }),
        }
    }

    pub(crate) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// Progress of a sync.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncProgress {
    /// Rows sent in this attempt.
    pub sent: u64,
    /// Rows sent and to be sent in this attempt, once the changelog behind the peer's cursor is counted. Rows that the
    /// peer turns out to have are not sent: the number falls while they are passed over, and is `sent` at the end.
    pub total: Option<u64>,
    /// Rows of the peer that changed this database in this attempt.
    pub received: u64,
    /// Bytes of frames, both ways, in this attempt.
    pub bytes: u64,
}
