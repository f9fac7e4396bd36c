//! How far peers are behind, as far as this node knows.

use rusqlite::Connection;
use vectr_delta::{Fingerprint, NodeName, ShardRead, Timestamp};

use crate::CoreError;
use crate::storage::rows::number;
use crate::storage::snapshot::ReadShard;
use crate::storage::versions::{Part, StoredVersion, has_entries};

/// A peer that a shard was synced with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerLag {
    /// Its certificate's fingerprint.
    pub peer: Fingerprint,
    /// Its node's name.
    pub node: NodeName,
    /// When it last said what it holds.
    pub noted_at: Timestamp,
    /// The number of rows of the shard that it is not known to have in their current state.
    pub changes: u64,
}

/// The peers of a shard, the most recent first. Empty in a file whose schema is older than the table.
pub(crate) fn lags(connection: &Connection, shard: &ReadShard<'_>) -> Result<Vec<PeerLag>, CoreError> {
    if !has_peers(connection)? {
        return Ok(Vec::new());
    }
    let mut statement =
        connection.prepare_cached(if has_entries(connection)? { LIST } else { LIST_OLDER })?;
    let mut rows = statement.query([shard.rows().shard])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let damaged = || CoreError::Damaged { reason: "a peer's fingerprint has another length".into() };
        let peer: [u8; 32] = row.get::<_, Vec<u8>>(0)?.try_into().map_err(|_| damaged())?;
        let same_life = row.get::<_, String>(2)? == shard.origin().changelog.to_string();
        let after = if same_life { number(row, 3)? } else { 0 };
        let held = StoredVersion::look(connection, Part::Peer, row.get(6)?, &row.get::<_, String>(4)?)?.whole;
        found.push(PeerLag {
            peer: Fingerprint::new(peer),
            node: NodeName::new(&row.get::<_, String>(1)?)?,
            noted_at: Timestamp::from_micros(number(row, 5)?),
            changes: shard.rows().count_above(after, &held)?,
        });
    }
    Ok(found)
}

fn has_peers(connection: &Connection) -> Result<bool, CoreError> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(version >= SCHEMA_WITH_PEERS)
}

const SCHEMA_WITH_PEERS: i32 = 3;

const LIST: &str = "SELECT peer, name, changelog, position, version_vector, noted_at, \
     coalesce((SELECT n FROM peer_number AS known WHERE known.shard = peer.shard AND known.peer = peer.peer), -1) \
     FROM peer WHERE shard = ?1 ORDER BY noted_at DESC, peer";
const LIST_OLDER: &str = "SELECT peer, name, changelog, position, version_vector, noted_at, -1 FROM peer \
     WHERE shard = ?1 ORDER BY noted_at DESC, peer";
