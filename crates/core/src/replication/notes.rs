//! What a database remembers of its syncs. No peer is told of it, so a note takes no transaction number: nobody waits
//! for it to become durable.

use rusqlite::{Connection, params};
use vectr_delta::{PeerProgress, ShardId, Timestamp, VersionVector};

use crate::storage::json::{parse_vector, vector_text};
use crate::storage::rows::integer;
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

/// Remembers when a shard was synced.
///
/// # Errors
/// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
pub fn record_sync(db: &VectrDB, shard: &ShardId, at: Timestamp) -> Result<(), CoreError> {
    let shard = shard.clone();
    db.call(JobKind::Autocommit, move |writer| {
        let sqlite = &writer.connection.sqlite;
        let mut statement = sqlite.prepare_cached("UPDATE shard SET last_sync_at = ?2 WHERE id = ?1")?;
        statement.execute((shard.as_str(), integer(at.as_micros())))?;
        Ok(())
    })
}

/// Remembers what a peer holds of a shard that exists, in place of what was known before. The 256 peers recorded last
/// are kept.
///
/// # Errors
/// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
pub fn record_peer(db: &VectrDB, shard: &ShardId, standing: PeerProgress) -> Result<(), CoreError> {
    let (shard, at) = (shard.clone(), db.now());
    db.call(JobKind::Autocommit, move |writer| store_peer(&writer.connection.sqlite, &shard, &standing, at))
}

fn store_peer(
    connection: &Connection,
    shard: &ShardId,
    standing: &PeerProgress,
    at: Timestamp,
) -> Result<(), CoreError> {
    let received: Option<String> = connection
        .prepare_cached("SELECT received FROM shard WHERE id = ?1")?
        .query_map([shard.as_str()], |row| row.get(0))?
        .next()
        .transpose()?;
    let Some(received) = received else { return Ok(()) };
    // Of sites that the shard never heard of, there is nothing to be behind with.
    let known: VersionVector = parse_vector(&received)?;
    let mut held = standing.version_vector.clone();
    held.retain_sites(|site| known.seq(site) > 0);
    connection.prepare_cached(STORE_PEER)?.execute(params![
        shard.as_str(),
        standing.peer.as_bytes(),
        standing.node.as_str(),
        standing.changelog.to_string(),
        integer(standing.position),
        vector_text(&held),
        integer(at.as_micros()),
    ])?;
    connection.prepare_cached(FORGET_PEERS)?.execute((shard.as_str(), integer(MOST_PEERS)))?;
    Ok(())
}

const MOST_PEERS: u64 = 256;

const STORE_PEER: &str = "INSERT INTO peer (shard, peer, name, changelog, position, version_vector, noted_at) \
     SELECT n, ?2, ?3, ?4, ?5, ?6, ?7 FROM shard WHERE id = ?1 \
     ON CONFLICT (shard, peer) DO UPDATE SET name = ?3, changelog = ?4, position = ?5, version_vector = ?6, \
     noted_at = ?7";
const FORGET_PEERS: &str = "DELETE FROM peer WHERE shard = (SELECT n FROM shard WHERE id = ?1) AND noted_at < \
     (SELECT noted_at FROM peer WHERE shard = (SELECT n FROM shard WHERE id = ?1) \
     ORDER BY noted_at DESC LIMIT 1 OFFSET ?2 - 1)";
