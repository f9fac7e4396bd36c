use napi_derive::napi;
use vectr_delta::ShardId;
use vectr_sync::{FeedStatistics, SyncProgress, SyncResult};
use vectr_transport::PoolStatistics;

use crate::columns::number;

/// What a sync did, but for the conflicts that it left.
#[napi(object, object_from_js = false)]
pub struct SyncOutcome {
    /// The shard.
    pub shard_id: String,
    /// The peer.
    pub peer_address: String,
    /// Rows sent.
    pub changes_sent: i64,
    /// Rows that came, whether they changed anything or not.
    pub changes_received: i64,
    /// Rows that changed this database.
    pub changes_applied: i64,
    /// Vectors of this database that a repair brought back.
    pub vectors_repaired: i64,
    /// Vectors that gained concurrent versions here.
    pub conflicts_detected: i64,
    /// Those that the strategy settles.
    pub conflicts_resolved: i64,
    /// Bytes of frames.
    pub bytes_sent: i64,
    /// Bytes of frames.
    pub bytes_received: i64,
    /// Tries.
    pub attempts: u32,
    /// Milliseconds.
    pub duration_ms: f64,
    /// Whether it went over TCP.
    pub fallback: bool,
    /// Things to know that are no errors.
    pub warnings: Vec<String>,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// The stable code of that.
    pub error_code: Option<String>,
}

/// How far a sync has come.
#[napi(object, object_from_js = false)]
pub struct ProgressRecord {
    /// Rows sent.
    pub sent: i64,
    /// Rows sent and to be sent, where they are counted.
    pub total: Option<i64>,
    /// Rows that changed this database.
    pub received: i64,
    /// Bytes of frames, both ways.
    pub bytes: i64,
}

/// The connections made from here.
#[napi(object, object_from_js = false)]
pub struct StatisticsRecord {
    /// With open streams.
    pub active: i64,
    /// Without.
    pub idle: i64,
    /// Ever established.
    pub created: i64,
    /// Ended.
    pub closed: i64,
    /// Opened with accepted early data.
    pub zero_rtt_accepted: i64,
    /// Over TCP.
    pub fallback: i64,
}

/// The feed of a shard.
#[napi(object, object_from_js = false)]
pub struct FeedRecord {
    /// Which shard.
    pub shard_id: String,
    /// The change up to which it has read.
    pub position: i64,
    /// Live sessions.
    pub sessions: i64,
    /// Those that have yet to read what it has.
    pub lagging: i64,
    /// Pages read.
    pub pages: i64,
    /// Pages that sessions took.
    pub hits: i64,
    /// Pages that sessions read by themselves.
    pub misses: i64,
    /// Bytes of rows that were not read again.
    pub bytes_saved: i64,
}

impl From<SyncResult> for SyncOutcome {
    fn from(result: SyncResult) -> Self {
        let (error, error_code) = result.failure.map(|failure| (failure.message, failure.code)).unzip();
        Self {
            shard_id: result.shard.into(),
            peer_address: result.address,
            changes_sent: number(result.changes_sent),
            changes_received: number(result.changes_received),
            changes_applied: number(result.changes_applied),
            vectors_repaired: number(result.vectors_repaired),
            conflicts_detected: number(result.conflicts_detected),
            conflicts_resolved: number(result.conflicts_resolved),
            bytes_sent: number(result.bytes_sent),
            bytes_received: number(result.bytes_received),
            attempts: result.attempts,
            duration_ms: result.duration.as_secs_f64() * 1000.0,
            fallback: result.fallback,
            warnings: result.warnings,
            error,
            error_code,
        }
    }
}

impl From<SyncProgress> for ProgressRecord {
    fn from(progress: SyncProgress) -> Self {
        Self {
            sent: number(progress.sent),
            total: progress.total.map(number),
            received: number(progress.received),
            bytes: number(progress.bytes),
        }
    }
}

impl From<PoolStatistics> for StatisticsRecord {
    fn from(pool: PoolStatistics) -> Self {
        Self {
            active: number(pool.active as u64),
            idle: number(pool.idle as u64),
            created: number(pool.created),
            closed: number(pool.closed),
            zero_rtt_accepted: number(pool.zero_rtt_accepted),
            fallback: number(pool.fallback),
        }
    }
}

impl From<(ShardId, FeedStatistics)> for FeedRecord {
    fn from((shard, of): (ShardId, FeedStatistics)) -> Self {
        Self {
            shard_id: shard.into(),
            position: number(of.position),
            sessions: number(of.sessions),
            lagging: number(of.lagging),
            pages: number(of.pages),
            hits: number(of.hits),
            misses: number(of.misses),
            bytes_saved: number(of.bytes_saved),
        }
    }
}
