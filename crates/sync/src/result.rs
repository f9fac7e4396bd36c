use std::time::Duration;

use vectr_core::StoredConflict;
use vectr_delta::ShardId;

use crate::SyncError;

/// What a sync did, over all its attempts.
#[derive(Debug, Clone)]
pub struct SyncResult {
    /// Which shard.
    pub shard: ShardId,
    /// With whom: the address that was given.
    pub address: String,
    /// Rows sent.
    pub changes_sent: u64,
    /// Rows that came, whether they changed anything or not.
    pub changes_received: u64,
    /// Rows whose join changed this database.
    pub changes_applied: u64,
    /// Vectors that gained concurrent versions here.
    pub conflicts_detected: u64,
    /// Those of them that the shard's strategy settles.
    pub conflicts_resolved: u64,
    /// All conflicts of the shard that someone has to settle.
    pub conflicts_unresolved: Vec<StoredConflict>,
    /// Bytes of frames that went to the peer.
    pub bytes_sent: u64,
    /// Bytes of frames that came from it.
    pub bytes_received: u64,
    /// How often it was tried, at least 1.
    pub attempts: u32,
    /// From the call to its result. In a coordinator the time of the attempts alone, without waits between them.
    pub duration: Duration,
    /// Whether the stream went over TCP.
    pub fallback: bool,
    /// Things to know that are no errors.
    pub warnings: Vec<String>,
    /// Why it did not succeed. What was applied stays applied.
    pub failure: Option<SyncFailure>,
}

/// Why a sync did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncFailure {
    /// A stable error code.
    pub code: String,
    /// For people.
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

    /// Whether both nodes now hold what the other held.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.failure.is_none()
    }

    pub(crate) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// How far a sync has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SyncProgress {
    /// Rows sent in this attempt.
    pub sent: u64,
    /// Rows of the peer that changed this database in this attempt.
    pub received: u64,
    /// Bytes of frames, both ways, in this attempt.
    pub bytes: u64,
}
