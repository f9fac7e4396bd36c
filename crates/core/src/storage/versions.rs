//! Version vectors, kept by entries. The few that changed last stand in the row of their owner, which is written with
//! them anyway; all others stand in a table.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::Connection;
use vectr_delta::{Dot, ShardState, ShardVersion, SiteId, VersionVector};

use crate::CoreError;
use crate::storage::json::{parse_site, parse_vector, vector_text};
use crate::storage::rows::{integer, number};

/// What an entry is part of. The numbers stand in the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The version vector of a shard.
    Held = 1,
    /// What a shard has received beyond it.
    Received = 2,
    /// The collected frontier of a shard.
    Frontier = 3,
    /// What a peer holds of a shard; its owner is the peer's number.
    Peer = 4,
}

/// One version vector, as the file has it.
#[derive(Clone, Default)]
pub(crate) struct StoredVersion {
    pub(crate) whole: ShardVersion,
    /// The entries in the owner's row, which a file of a former build has all there: each is greater than that of the table, if it has one.
    inline: Arc<VersionVector>,
}

impl StoredVersion {
    /// Reads a version vector. `text`: the column of the owner's row.
    pub(crate) fn load(
        connection: &Connection,
        part: Part,
        owner: i64,
        text: &str,
    ) -> Result<Self, CoreError> {
        let inline = parse_vector(text)?;
        let mut statement = connection
            .prepare_cached("SELECT site, seq FROM version_entry WHERE part = ?1 AND owner = ?2")?;
        let mut rows = statement.query((part as i64, owner))?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let site = row.get_ref(0)?.as_blob().ok().and_then(|site| site.try_into().ok());
            let site = site.map(u64::from_be_bytes).ok_or_else(|| CoreError::Damaged {
                reason: "a site in a version vector has another length".into(),
            })?;
            entries.push((SiteId::new(site), number(row, 1)?));
        }
        Ok(Self { whole: entries.into_iter().chain(inline.iter()).collect(), inline: Arc::new(inline) })
    }

    /// As [`StoredVersion::load`], from a file that may be older than the table.
    pub(crate) fn look(
        connection: &Connection,
        part: Part,
        owner: i64,
        text: &str,
    ) -> Result<Self, CoreError> {
        if has_entries(connection)? {
            return Self::load(connection, part, owner, text);
        }
        let inline = Arc::new(parse_vector(text)?);
        Ok(Self { whole: Arc::clone(&inline).into(), inline })
    }

    /// Writes the entries in which `now` differs. Returns the text for the owner's row.
    pub(crate) fn store(
        &mut self,
        connection: &Connection,
        part: Part,
        owner: i64,
        now: &ShardVersion,
    ) -> Result<String, CoreError> {
        let inline = Arc::make_mut(&mut self.inline);
        for (site, here, there) in now.differences(&self.whole) {
            if here < there {
                connection
                    .prepare_cached("DELETE FROM version_entry WHERE part = ?1 AND owner = ?2 AND site = ?3")?
                    .execute((part as i64, owner, site.number().to_be_bytes()))?;
                inline.retain_sites(|other| other != site);
            }
            inline.add(Dot { site, seq: here });
        }
        if inline.len() > MOST_INLINE {
            let mut statement = connection.prepare_cached(STORE)?;
            for (site, seq) in inline.iter() {
                statement.execute((part as i64, owner, site.number().to_be_bytes(), integer(seq)))?;
            }
            *inline = VersionVector::new();
        }
        self.whole = now.clone();
        Ok(vector_text(inline))
    }
}

/// The version vectors of one shard, as the file has them.
#[derive(Clone, Default)]
pub(crate) struct ShardVersions {
    held: StoredVersion,
    received: StoredVersion,
    frontier: StoredVersion,
    /// The version vector, without what no message can carry.
    claimed: ShardVersion,
    /// Of what was received, what `claimed` does not cover.
    uncovered: ShardVersion,
}

impl ShardVersions {
    /// Reads those of a shard. `texts`: the three columns of its row.
    pub(crate) fn load(connection: &Connection, shard: i64, texts: [&str; 3]) -> Result<Self, CoreError> {
        let look = |part, text| StoredVersion::look(connection, part, shard, text);
        let (held, received) = (look(Part::Held, texts[0])?, look(Part::Received, texts[1])?);
        let frontier = look(Part::Frontier, texts[2])?;
        let (claimed, beyond) = claimable(connection, &held.whole)?;
        let uncovered = received.whole.joined(&beyond).beyond(&claimed);
        Ok(Self { held, received, frontier, claimed, uncovered })
    }

    /// The number of sites in the version vector, as the file has it.
    pub(crate) fn stored_sites(&self) -> usize {
        self.held.whole.len()
    }

    /// Puts them into a shard's state.
    pub(crate) fn fill(&self, state: &mut ShardState) {
        state.version_vector = self.claimed.clone();
        state.received = self.uncovered.clone();
        state.frontier = self.frontier.whole.iter().collect();
    }

    /// Writes what differs in `state`. Returns the three texts for the shard's row.
    pub(crate) fn store(
        &mut self,
        connection: &Connection,
        shard: i64,
        state: &ShardState,
    ) -> Result<[String; 3], CoreError> {
        let held = self.held.store(connection, Part::Held, shard, &state.version_vector)?;
        let received = self.received.store(connection, Part::Received, shard, &state.received)?;
        (self.claimed, self.uncovered) = (state.version_vector.clone(), state.received.clone());
        let frontier = state.frontier.clone().into();
        Ok([held, received, self.frontier.store(connection, Part::Frontier, shard, &frontier)?])
    }
}

/// Splits a version vector, of a file that a former build let grow above what a message carries, into what is claimed and
/// what counts as received alone. Nothing is lost by claiming less: peers send those rows again. This file's own sites stay,
/// so that none of their numbers is given out twice.
fn claimable(
    connection: &Connection,
    stored: &ShardVersion,
) -> Result<(ShardVersion, ShardVersion), CoreError> {
    if stored.len() <= ShardVersion::MAX_SITES {
        return Ok((stored.clone(), ShardVersion::new()));
    }
    let own = own_sites(connection)?;
    let mut room = ShardVersion::MAX_SITES_OF_PEERS.saturating_sub(own.len());
    let is_claimed = |(site, _): &(SiteId, u64)| {
        let fits = own.contains(site) || room > 0;
        room -= usize::from(fits && !own.contains(site));
        fits
    };
    let (claimed, beyond): (Vec<_>, Vec<_>) = stored.iter().partition(is_claimed);
    Ok((claimed.into_iter().collect(), beyond.into_iter().collect()))
}

/// The lives of this database, former and present, and those of the one that it is a backup of.
fn own_sites(connection: &Connection) -> Result<BTreeSet<SiteId>, CoreError> {
    let mut statement = connection.prepare_cached("SELECT site FROM site WHERE own <> 0")?;
    let mut rows = statement.query([])?;
    let mut own = BTreeSet::new();
    while let Some(row) = rows.next()? {
        own.insert(parse_site(row.get_ref(0)?.as_str().unwrap_or_default())?);
    }
    Ok(own)
}

/// Whether the file's schema has the table.
pub(crate) fn has_entries(connection: &Connection) -> Result<bool, CoreError> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'version_entry'")?;
    Ok(statement.exists([])?)
}

/// More entries than these go from the owner's row to the table.
const MOST_INLINE: usize = 32;

const STORE: &str = "INSERT INTO version_entry (part, owner, site, seq) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (part, owner, site) DO UPDATE SET seq = ?4";
