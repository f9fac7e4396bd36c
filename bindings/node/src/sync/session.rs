use napi_derive::napi;
use vectr_sync::{ShardState, ShardStatus, SyncStatus};

use crate::columns::number;
use crate::database::conflict::{ConflictRecords, SiteEntries};

/// The state of one shard.
#[napi(object, object_from_js = false)]
pub struct ShardStateRecord {
    /// Which shard.
    pub shard_id: String,
    /// Its newest change.
    pub current_change_id: i64,
    /// What it holds, by site.
    #[napi(ts_type = "Array<[string, number]>")]
    pub version_vector: SiteEntries,
    /// Live vectors.
    pub vector_count: i64,
    /// Microseconds since the Unix epoch; 0: never.
    pub last_sync_at: i64,
    /// What is going on.
    #[napi(ts_type = "'idle' | 'syncing' | 'error'")]
    pub status: &'static str,
}

/// What an engine knows of its syncs.
#[napi(object, object_from_js = false)]
pub struct SessionRecord {
    /// Names the database.
    pub id: String,
    /// The node.
    pub node_id: String,
    /// Each shard.
    pub shards: Vec<ShardStateRecord>,
    /// What someone has to settle.
    pub pending_conflicts: ConflictRecords,
    /// Microseconds since the Unix epoch.
    pub created_at: i64,
    /// Microseconds since the Unix epoch.
    pub updated_at: i64,
}

impl From<ShardState> for ShardStateRecord {
    fn from(record: ShardState) -> Self {
        Self {
            shard_id: record.shard.into(),
            current_change_id: number(record.change_id),
            version_vector: record
                .version_vector
                .into_iter()
                .map(|(site, seq)| (site, number(seq)))
                .collect(),
            vector_count: number(record.vectors),
            last_sync_at: record.last_sync_at.map_or(0, |at| number(at.as_micros())),
            status: match record.status {
                ShardStatus::Idle => "idle",
                ShardStatus::Syncing => "syncing",
                ShardStatus::Error => "error",
            },
        }
    }
}

impl From<SyncStatus> for SessionRecord {
    fn from(record: SyncStatus) -> Self {
        Self {
            id: record.id,
            node_id: record.node.into(),
            shards: record.shards.into_iter().map(Into::into).collect(),
            pending_conflicts: record.pending_conflicts.into_iter().collect(),
            created_at: number(record.created_at.as_micros()),
            updated_at: number(record.updated_at.as_micros()),
        }
    }
}
