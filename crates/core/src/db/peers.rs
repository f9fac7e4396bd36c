//! What peers were last known to hold, and what has not arrived there.

use rusqlite::{Connection, params};
use vectr_delta::{Fingerprint, NodeName, PeerStanding, ShardId, ShardRead, Timestamp, VersionVector};

use crate::storage::json::{parse_vector, vector_text};
use crate::storage::rows::{integer, number};
use crate::storage::snapshot::ReadShard;
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

/// A peer that a shard was synced with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerLag {
    /// Its certificate's fingerprint.
    pub peer: Fingerprint,
    /// What its node is called.
    pub node: NodeName,
    /// When it last said what it holds.
    pub noted_at: Timestamp,
    /// How many rows of the shard it is not known to have as they are here.
    pub changes: u64,
}

impl VectrDB {
    /// Remembers what a peer holds of a shard that exists, in the place of what was known before. No transaction for
    /// anyone to wait for. The 256 peers noted last are kept.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn note_peer(&self, shard: &ShardId, standing: PeerStanding) -> Result<(), CoreError> {
        let (shard, at) = (shard.clone(), self.now());
        self.call(JobKind::Autocommit, move |writer| note(&writer.connection.sqlite, &shard, &standing, at))
    }
}

/// The peers of a shard, those noted last first. Empty in a file whose schema does not know of them.
pub(crate) fn lags(connection: &Connection, shard: &ReadShard<'_>) -> Result<Vec<PeerLag>, CoreError> {
    if !has_peers(connection)? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(LIST)?;
    let mut rows = statement.query([shard.rows().shard])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let damaged = || CoreError::Damaged { reason: "a peer's fingerprint has another length".into() };
        let peer: [u8; 32] = row.get::<_, Vec<u8>>(0)?.try_into().map_err(|_| damaged())?;
        let same_life = row.get::<_, String>(2)? == shard.origin().changelog.to_string();
        let after = if same_life { number(row, 3)? } else { 0 };
        let held = parse_vector(&row.get::<_, String>(4)?)?;
        found.push(PeerLag {
            peer: Fingerprint::new(peer),
            node: NodeName::new(&row.get::<_, String>(1)?)?,
            noted_at: Timestamp::from_micros(number(row, 5)?),
            changes: shard.rows().count_above(after, &held)?,
        });
    }
    Ok(found)
}

fn note(
    connection: &Connection,
    shard: &ShardId,
    standing: &PeerStanding,
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
    connection.prepare_cached(NOTE)?.execute(params![
        shard.as_str(),
        standing.peer.as_bytes(),
        standing.node.as_str(),
        standing.changelog.to_string(),
        integer(standing.position),
        vector_text(&held),
        integer(at.as_micros()),
    ])?;
    connection.prepare_cached(TRIM)?.execute((shard.as_str(), integer(MOST_PEERS)))?;
    Ok(())
}

fn has_peers(connection: &Connection) -> Result<bool, CoreError> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(version >= SCHEMA_WITH_PEERS)
}

const SCHEMA_WITH_PEERS: i32 = 3;
const MOST_PEERS: u64 = 256;

const LIST: &str = "SELECT peer, name, changelog, position, version_vector, noted_at FROM peer \
     WHERE shard = ?1 ORDER BY noted_at DESC, peer";
const NOTE: &str = "INSERT INTO peer (shard, peer, name, changelog, position, version_vector, noted_at) \
     SELECT n, ?2, ?3, ?4, ?5, ?6, ?7 FROM shard WHERE id = ?1 \
     ON CONFLICT (shard, peer) DO UPDATE SET name = ?3, changelog = ?4, position = ?5, version_vector = ?6, \
     noted_at = ?7";
const TRIM: &str = "DELETE FROM peer WHERE shard = (SELECT n FROM shard WHERE id = ?1) AND noted_at < \
     (SELECT noted_at FROM peer WHERE shard = (SELECT n FROM shard WHERE id = ?1) \
     ORDER BY noted_at DESC LIMIT 1 OFFSET ?2 - 1)";
