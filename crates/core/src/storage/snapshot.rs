use rusqlite::Connection;
use vectr_delta::{
    Alteration, ChangeId, ChangelogId, CommitNo, Cursor, Dimensions, Fingerprint, HeldRow, HeldStamp,
    IdRange, NodeName, Origin, RangeVisitor, RowVisitor, ShardId, ShardRead, ShardState, ShardVersion,
    SiteId, Timestamp, VectorId,
};

use crate::CoreError;
use crate::storage::catalog::{Counters, StoredShard, alteration, alterations};
use crate::storage::peer::{read_cursor, read_held_rows, read_held_stamp};
use crate::storage::rows::StoredRows;
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

    /// As [`StoredShard::stored_sites`].
    pub(crate) fn stored_sites(&self) -> usize {
        self.stored.stored_sites()
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

    fn held_stamp(&self, peer: &Fingerprint, changelog: ChangelogId) -> Result<HeldStamp, CoreError> {
        read_held_stamp(self.snapshot.connection, self.stored.n, peer, changelog)
    }

    fn held_rows(&self, peer: &Fingerprint, changelog: ChangelogId) -> Result<Vec<HeldRow>, CoreError> {
        read_held_rows(self.snapshot.connection, self.stored.n, peer, changelog)
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

    fn visit_row(&self, id: &VectorId, visit: RangeVisitor<'_>) -> Result<(), CoreError> {
        self.rows().visit_id(id, visit)
    }

    fn visit_range(&self, range: &IdRange, visit: RangeVisitor<'_>) -> Result<(), CoreError> {
        self.rows().visit_range(range, visit)
    }

    fn alteration(&self) -> Result<Alteration, CoreError> {
        alteration(self.snapshot.connection, self.stored.n)
    }

    fn alterations(&self) -> Result<u64, CoreError> {
        alterations(self.snapshot.connection, self.stored.n)
    }
}

/// Whether vectors are stored beside their dots, so that reading both costs no more than the dots alone.
pub(crate) fn reads_payloads(filter: Option<&ShardVersion>, state: &ShardState) -> bool {
    let small = |dimensions: Dimensions| dimensions.bytes() <= LOCAL_PAYLOAD;
    filter.is_none() || state.descriptor.dimensions.is_none_or(small)
}

fn end(connection: &Connection) {
    // Nothing was written, so a failure loses nothing; the next `BEGIN` would report it.
    let _ = connection.prepare_cached("ROLLBACK").and_then(|mut statement| statement.execute([]));
}

/// No shard has this number.
const NO_SHARD: i64 = -1;
/// A payload of half a page stays in the page of its row.
const LOCAL_PAYLOAD: usize = 8 * 1024;
