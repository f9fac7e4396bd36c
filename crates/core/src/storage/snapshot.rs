use rusqlite::Connection;
use vectr_delta::{
    Alteration, ChangeId, CommitNo, Cursor, Dimensions, Fingerprint, IdRange, NodeName, Origin, RangeVisitor,
    RowVisitor, ShardId, ShardRead, ShardState, ShardVersion, SiteId, Timestamp,
};

use crate::CoreError;
use crate::storage::catalog::{Counters, StoredShard, alteration};
use crate::storage::rows::{StoredRows, integer, number};
use crate::storage::sites::{SiteNumbers, site_name};
use crate::storage::version_cache::VersionCache;

/// A read transaction. Dropping it ends the transaction.
pub(crate) struct Snapshot<'c> {
    connection: &'c Connection,
    sites: &'c SiteNumbers,
    versions: &'c VersionCache,
    dimensions: Option<Dimensions>,
    counters: Counters,
}

impl<'c> Snapshot<'c> {
    /// Begins a read transaction on a connection that has none open. `dimensions` apply to shards that have none yet.
    pub(crate) fn begin(
        connection: &'c Connection,
        sites: &'c SiteNumbers,
        versions: &'c VersionCache,
        dimensions: Option<Dimensions>,
    ) -> Result<Self, CoreError> {
        connection.prepare_cached("BEGIN")?.execute([])?;
        match Counters::load(connection) {
            Ok(counters) => Ok(Self { connection, sites, versions, dimensions, counters }),
            Err(error) => {
                end(connection);
                Err(error)
            }
        }
    }

    pub(crate) const fn connection(&self) -> &'c Connection {
        self.connection
    }

    pub(crate) const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// When the last row was applied, or later. All rows to come are applied after it.
    pub(crate) const fn last_applied_at(&self) -> Timestamp {
        self.counters.last_applied_at
    }

    /// A shard, or an empty one if it does not exist.
    pub(crate) fn shard(&self, id: &ShardId) -> Result<ReadShard<'_>, CoreError> {
        let stored = StoredShard::load(self.connection, self.versions, id)?;
        let mut stored = stored.unwrap_or_else(|| StoredShard::empty(NO_SHARD));
        if stored.state.descriptor.dimensions.is_none() {
            stored.state.descriptor.dimensions = self.dimensions;
        }
        Ok(ReadShard { snapshot: self, id: id.clone(), stored })
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        end(self.connection);
    }
}

/// A shard in a snapshot.
pub(crate) struct ReadShard<'s> {
    snapshot: &'s Snapshot<'s>,
    id: ShardId,
    stored: StoredShard,
}

impl ReadShard<'_> {
    pub(crate) const fn rows(&self) -> StoredRows<'_> {
        StoredRows { connection: self.snapshot.connection, sites: self.snapshot.sites, shard: self.stored.n }
    }

    pub(crate) const fn last_sync_at(&self) -> Timestamp {
        self.stored.last_sync_at
    }
}

impl ShardRead for ReadShard<'_> {
    type Error = CoreError;

    fn shard(&self) -> &ShardId {
        &self.id
    }

    fn origin(&self) -> &Origin {
        &self.snapshot.counters.origin
    }

    fn state(&self) -> &ShardState {
        &self.stored.state
    }

    fn commit_no(&self) -> CommitNo {
        self.snapshot.counters.commit_no
    }

    fn cursor(&self, peer: &Fingerprint) -> Result<Option<Cursor>, CoreError> {
        read_cursor(self.snapshot.connection, self.stored.n, peer)
    }

    fn site_name(&self, site: SiteId) -> Result<Option<NodeName>, CoreError> {
        site_name(self.snapshot.connection, site)
    }

    fn visit_rows(
        &self,
        after: ChangeId,
        filter: Option<&ShardVersion>,
        visit: RowVisitor<'_>,
    ) -> Result<(), CoreError> {
        self.rows().visit(after, filter, reads_payloads(filter, &self.stored.state), visit)
    }

    fn visit_range(&self, range: &IdRange, visit: RangeVisitor<'_>) -> Result<(), CoreError> {
        self.rows().visit_range(range, visit)
    }

    fn alteration(&self) -> Result<Alteration, CoreError> {
        alteration(self.snapshot.connection, self.stored.n)
    }
}

/// Whether vectors are stored beside their dots, so that reading both costs no more than the dots alone.
pub(crate) fn reads_payloads(filter: Option<&ShardVersion>, state: &ShardState) -> bool {
    let small = |dimensions: Dimensions| dimensions.bytes() <= LOCAL_PAYLOAD;
    filter.is_none() || state.descriptor.dimensions.is_none_or(small)
}

pub(crate) fn read_cursor(
    connection: &Connection,
    shard: i64,
    peer: &Fingerprint,
) -> Result<Option<Cursor>, CoreError> {
    let mut statement =
        connection.prepare_cached("SELECT changelog, position FROM cursor WHERE shard = ?1 AND peer = ?2")?;
    let mut rows = statement.query((shard, peer.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let changelog: String = row.get(0)?;
    Ok(Some(Cursor { changelog: changelog.parse()?, position: number(row, 1)? }))
}

pub(crate) fn write_cursor(
    connection: &Connection,
    shard: i64,
    peer: &Fingerprint,
    cursor: Cursor,
) -> Result<(), CoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO cursor (shard, peer, changelog, position) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (shard, peer) DO UPDATE SET changelog = ?3, position = ?4",
    )?;
    let changelog = cursor.changelog.to_string();
    statement.execute((shard, peer.as_bytes(), changelog, integer(cursor.position)))?;
    Ok(())
}

fn end(connection: &Connection) {
    // Nothing was written, so a failure loses nothing; the next `BEGIN` would report it.
    let _ = connection.prepare_cached("ROLLBACK").and_then(|mut statement| statement.execute([]));
}

/// No shard has this number.
const NO_SHARD: i64 = -1;
/// A payload of half a page stays in the page of its row.
const LOCAL_PAYLOAD: usize = 8 * 1024;
