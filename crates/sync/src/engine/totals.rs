use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vectr_delta::{SessionReport, ShardId};

use crate::limits::bounds::MAX_SHARDS;
use crate::session::wire::Traffic;

/// Totals of all sessions of one shard since the engine was made, whichever side opened them. They never decrease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardTotals {
    /// Sessions after which both nodes had the same changes on disk.
    pub finished: u64,
    /// Live sessions that had caught up at least once before a node or the network ended them.
    pub ended: u64,
    /// All other sessions.
    pub failed: u64,
    /// Rows sent.
    pub rows_sent: u64,
    /// Rows received, whether they changed anything or not.
    pub rows_received: u64,
    /// Rows whose join changed the database.
    pub rows_applied: u64,
    /// Rows that were damaged, lost or altered by another program, and came back from a peer.
    pub rows_repaired: u64,
    /// Vectors that gained concurrent versions here.
    pub conflicts: u64,
    /// Bytes of frames sent to peers.
    pub bytes_sent: u64,
    /// Bytes of frames received from peers.
    pub bytes_received: u64,
}

/// Outcome under which a session is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionOutcome {
    Finished,
    Ended,
    Failed,
}

/// The totals of an engine, by shard.
#[derive(Debug, Default)]
pub(crate) struct Totals(Mutex<BTreeMap<ShardId, ShardTotals>>);

impl Totals {
    pub(crate) fn all(&self) -> BTreeMap<ShardId, ShardTotals> {
        self.lock().clone()
    }

    fn add(&self, shard: &ShardId, add: impl FnOnce(&mut ShardTotals)) {
        let mut totals = self.lock();
        // Peers choose the names of shards.
        if totals.len() < MAX_SHARDS || totals.contains_key(shard) {
            add(totals.entry(shard.clone()).or_default());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ShardId, ShardTotals>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds one session to the totals while it runs.
pub(crate) struct SessionCounter {
    totals: Arc<Totals>,
    shard: ShardId,
    /// The part of this session that has been added.
    counted: ShardTotals,
}

impl SessionCounter {
    pub(crate) fn new(totals: &Arc<Totals>, shard: &ShardId) -> Self {
        Self { totals: Arc::clone(totals), shard: shard.clone(), counted: ShardTotals::default() }
    }

    /// Adds the difference since the last call.
    pub(crate) fn update(&mut self, report: &SessionReport, traffic: &Traffic) {
        self.raise(ShardTotals {
            rows_sent: report.rows_sent,
            rows_received: report.rows_received,
            rows_applied: report.rows_applied,
            rows_repaired: report.rows_repaired,
            conflicts: report.conflicts,
            bytes_sent: traffic.sent(),
            bytes_received: traffic.received(),
            ..ShardTotals::default()
        });
    }

    /// Counts the end of the session. Its last bytes may still be in flight.
    pub(crate) fn record_end(&self, verdict: SessionOutcome) {
        self.totals.add(&self.shard, |totals| match verdict {
            SessionOutcome::Finished => totals.finished += 1,
            SessionOutcome::Ended => totals.ended += 1,
            SessionOutcome::Failed => totals.failed += 1,
        });
    }

    /// Adds the last bytes, once the stream has ended.
    pub(crate) fn finish(mut self, traffic: &Traffic) {
        let counted =
            ShardTotals { bytes_sent: traffic.sent(), bytes_received: traffic.received(), ..self.counted };
        self.raise(counted);
    }

    fn raise(&mut self, now: ShardTotals) {
        if now == self.counted {
            return;
        }
        let before = std::mem::replace(&mut self.counted, now);
        self.totals.add(&self.shard, |totals| {
            totals.rows_sent += now.rows_sent - before.rows_sent;
            totals.rows_received += now.rows_received - before.rows_received;
            totals.rows_applied += now.rows_applied - before.rows_applied;
            totals.rows_repaired += now.rows_repaired - before.rows_repaired;
            totals.conflicts += now.conflicts - before.conflicts;
            totals.bytes_sent += now.bytes_sent - before.bytes_sent;
            totals.bytes_received += now.bytes_received - before.bytes_received;
        });
    }
}
