use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use vectr_delta::{HoldsVersions, PeerProgress, RecentVersions, ShardState, ShardVersion, SiteId, Timestamp};

use crate::CoreError;
use crate::storage::rows::integer;
use crate::storage::versions::{Part, StoredVersion};

/// What peers were last noted to hold, as the file has it: a note writes only what has changed.
pub(crate) struct PeerNotes(RecentVersions<PeerKey, Noted>);

/// A shard's number, and the fingerprint of a peer.
pub(crate) type PeerKey = (i64, [u8; 32]);

pub(crate) struct Noted {
    number: i64,
    held: StoredVersion,
}

impl HoldsVersions for Noted {
    fn visit_versions(&self, visit: &mut dyn FnMut(&ShardVersion)) {
        visit(&self.held.whole);
    }
}

impl PeerNotes {
    pub(crate) fn keep(&mut self, peer: PeerKey, noted: Noted) {
        self.0.put(peer, noted);
    }

    pub(crate) fn take(&mut self, peer: PeerKey) -> Option<Noted> {
        self.0.take(&peer)
    }
}

impl Default for PeerNotes {
    fn default() -> Self {
        Self(RecentVersions::new(MOST_ENTRIES))
    }
}

/// What is held of sites that the shard has heard of: of others, there is nothing to be behind with.
pub(crate) fn known_part(held: &ShardVersion, state: &ShardState) -> ShardVersion {
    let is_unknown = |site: &SiteId| state.version_vector.seq(*site) == 0 && state.received.seq(*site) == 0;
    let more = held.beyond(&state.version_vector);
    if more.is_empty() && state.version_vector.beyond(held).is_empty() {
        // The same entries, in memory once.
        return state.version_vector.clone();
    }
    let unknown: BTreeSet<SiteId> = more.iter().map(|(site, _)| site).filter(is_unknown).collect();
    let mut known = held.clone();
    known.remove_sites(&unknown);
    known
}

/// Writes what has changed of a peer's note. `known`: as it was written last, if that is in memory.
pub(crate) fn write(
    connection: &Connection,
    (shard, peer): PeerKey,
    progress: &PeerProgress,
    held: &ShardVersion,
    known: Option<Noted>,
    at: Timestamp,
) -> Result<Noted, CoreError> {
    let mut noted = match known {
        Some(noted) => noted,
        None => read(connection, (shard, peer))?,
    };
    let text = noted.held.store(connection, Part::Peer, noted.number, held)?;
    connection.prepare_cached(STORE_PEER)?.execute(params![
        shard,
        peer,
        progress.node.as_str(),
        progress.changelog.to_string(),
        integer(progress.position),
        text,
        integer(at.as_micros()),
    ])?;
    Ok(noted)
}

fn read(connection: &Connection, (shard, peer): PeerKey) -> Result<Noted, CoreError> {
    connection
        .prepare_cached("INSERT INTO peer_number (shard, peer) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute((shard, peer))?;
    let number = connection
        .prepare_cached("SELECT n FROM peer_number WHERE shard = ?1 AND peer = ?2")?
        .query_row((shard, peer), |row| row.get(0))?;
    let text: Option<String> = connection
        .prepare_cached("SELECT version_vector FROM peer WHERE shard = ?1 AND peer = ?2")?
        .query_row((shard, peer), |row| row.get(0))
        .optional()?;
    let held = StoredVersion::load(connection, Part::Peer, number, text.as_deref().unwrap_or("{}"))?;
    Ok(Noted { number, held })
}

/// Keeps the peers noted last. Returns the others.
pub(crate) fn forget_peers(connection: &Connection, shard: i64) -> Result<Vec<PeerKey>, CoreError> {
    let mut statement = connection.prepare_cached(FORGET_PEERS)?;
    let forgotten = statement.query_map((shard, integer(MOST_PEERS)), |row| Ok((shard, row.get(0)?)))?;
    let forgotten: Vec<PeerKey> = forgotten.collect::<Result<_, _>>()?;
    if !forgotten.is_empty() {
        connection.prepare_cached(FORGET_ENTRIES)?.execute([shard])?;
        connection.prepare_cached(FORGET_NUMBERS)?.execute([shard])?;
    }
    Ok(forgotten)
}

const MOST_PEERS: u64 = 256;

/// The most entries of all notes in memory.
const MOST_ENTRIES: usize = 1 << 20;

const STORE_PEER: &str = "INSERT INTO peer (shard, peer, name, changelog, position, version_vector, noted_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
     ON CONFLICT (shard, peer) DO UPDATE SET name = ?3, changelog = ?4, position = ?5, version_vector = ?6, \
     noted_at = ?7";
const FORGET_PEERS: &str = "DELETE FROM peer WHERE shard = ?1 AND noted_at < \
     (SELECT noted_at FROM peer WHERE shard = ?1 ORDER BY noted_at DESC LIMIT 1 OFFSET ?2 - 1) \
     RETURNING peer";

macro_rules! forgotten {
    () => {
        "SELECT n FROM peer_number AS known WHERE shard = ?1 \
         AND NOT EXISTS (SELECT 1 FROM peer WHERE peer.shard = known.shard AND peer.peer = known.peer)"
    };
}

const FORGET_ENTRIES: &str =
    concat!("DELETE FROM version_entry WHERE part = 4 AND owner IN (", forgotten!(), ")");
const FORGET_NUMBERS: &str = concat!("DELETE FROM peer_number WHERE n IN (", forgotten!(), ")");
