use std::time::Duration;

use crate::SyncResult;

/// Statistics of a coordinator: sums over the results that it returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CoordinatorStatistics {
    /// Number of different shards that its peers hold.
    pub shards: usize,
    /// Number of running syncs.
    pub active_syncs: usize,
    /// Number of finished syncs, successful or not.
    pub syncs: u64,
    /// Vectors that gained concurrent versions here.
    pub conflicts: u64,
    /// Mean duration of the results; zero if there are none.
    pub average_duration: Duration,
    /// Bytes of frames sent to peers, including failed attempts.
    pub bytes_sent: u64,
    /// Bytes of frames received from peers, including failed attempts.
    pub bytes_received: u64,
}

/// The sums behind the statistics.
#[derive(Debug, Default)]
pub(super) struct Sums {
    syncs: u64,
    conflicts: u64,
    duration: Duration,
    bytes_sent: u64,
    bytes_received: u64,
}

impl Sums {
    pub(super) fn add(&mut self, result: &SyncResult) {
        self.syncs += 1;
        self.conflicts += result.conflicts_detected;
        self.duration += result.duration;
        self.bytes_sent += result.bytes_sent;
        self.bytes_received += result.bytes_received;
    }

    pub(super) fn statistics(&self, shards: usize, active_syncs: usize) -> CoordinatorStatistics {
        let nanos = self.duration.as_nanos().checked_div(u128::from(self.syncs)).unwrap_or_default();
        CoordinatorStatistics {
            shards,
            active_syncs,
            syncs: self.syncs,
            conflicts: self.conflicts,
            average_duration: Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX)),
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
        }
    }
}
