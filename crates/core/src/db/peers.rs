//! How far peers are behind, as far as this node knows.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};
use vectr_delta::{Dot, Fingerprint, NodeName, ShardRead, SiteId, Timestamp, VersionVector};

use crate::CoreError;
use crate::storage::json::parse_vector;
use crate::storage::rows::number;
use crate::storage::snapshot::ReadShard;
use crate::storage::versions::{Part, has_entries};

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
        let mut held = HeldVersion::new(connection, row.get(6)?, &row.get::<_, String>(4)?)?;
        found.push(PeerLag {
            peer: Fingerprint::new(peer),
            node: NodeName::new(&row.get::<_, String>(1)?)?,
            noted_at: Timestamp::from_micros(number(row, 5)?),
            changes: shard.rows().count_above(after, |dot| held.covers(dot))?,
        });
    }
    Ok(found)
}

/// What a peer holds. Only the sites that are asked for are read: there may be a great many, and a peer lacks few rows.
struct HeldVersion<'c> {
    connection: &'c Connection,
    /// Its number; `None` in a file whose schema is older than the table.
    peer: Option<i64>,
    /// The entries in its row, and those that were read.
    recent: VersionVector,
    read: HashMap<SiteId, u64>,
}

impl<'c> HeldVersion<'c> {
    fn new(connection: &'c Connection, peer: i64, text: &str) -> Result<Self, CoreError> {
        let peer = has_entries(connection)?.then_some(peer);
        Ok(Self { connection, peer, recent: parse_vector(text)?, read: HashMap::new() })
    }

    fn covers(&mut self, dot: Dot) -> Result<bool, CoreError> {
        if self.recent.seq(dot.site) >= dot.seq {
            return Ok(true);
        }
        let Some(peer) = self.peer else { return Ok(false) };
        if let Some(seq) = self.read.get(&dot.site) {
            return Ok(*seq >= dot.seq);
        }
        let mut statement = self.connection.prepare_cached(ENTRY)?;
        let site = dot.site.number().to_be_bytes();
        let seq: Option<i64> =
            statement.query_row((Part::Peer as i64, peer, site), |row| row.get(0)).optional()?;
        let seq = seq.unwrap_or_default().unsigned_abs();
        self.read.insert(dot.site, seq);
        Ok(seq >= dot.seq)
    }
}

fn has_peers(connection: &Connection) -> Result<bool, CoreError> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(version >= SCHEMA_WITH_PEERS)
}

const SCHEMA_WITH_PEERS: i32 = 3;

const ENTRY: &str = "SELECT seq FROM version_entry WHERE part = ?1 AND owner = ?2 AND site = ?3";
const LIST: &str = "SELECT peer, name, changelog, position, version_vector, noted_at, \
     coalesce((SELECT n FROM peer_number AS known WHERE known.shard = peer.shard AND known.peer = peer.peer), -1) \
     FROM peer WHERE shard = ?1 ORDER BY noted_at DESC, peer";
const LIST_OLDER: &str = "SELECT peer, name, changelog, position, version_vector, noted_at, -1 FROM peer \
     WHERE shard = ?1 ORDER BY noted_at DESC, peer";
