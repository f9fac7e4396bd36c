use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use vectr_delta::{
    Alteration, ChangeId, ChangelogId, CommitNo, Cursor, DeltaError, Digest, Fingerprint, HeldRow, HeldStamp,
    IdRange, NodeName, Origin, RangeVisitor, Row, RowVisitor, ShardId, ShardRead, ShardState, ShardVersion,
    SiteId, Timestamp, VectorId, VectorRow, VisitedRow,
};

/// The content of one node's file at one commit. A plain value: a snapshot is a copy, and a rollback drops one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Database {
    pub(crate) origin: Origin,
    /// Former sites of this database.
    pub(crate) former: BTreeSet<SiteId>,
    pub(crate) commit_no: CommitNo,
    /// The last commit with a local write.
    pub(crate) own_commit: CommitNo,
    pub(crate) last_change: ChangeId,
    pub(crate) last_stamp: Timestamp,
    pub(crate) names: BTreeMap<SiteId, NodeName>,
    pub(crate) shards: Vec<Shard>,
}

/// One shard of a [`Database`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) state: ShardState,
    pub(crate) rows: BTreeMap<VectorId, StoredRow>,
    /// The changelog. A deliberate fault may give one number to two vectors.
    pub(crate) changes: BTreeSet<(ChangeId, VectorId)>,
    pub(crate) cursors: BTreeMap<Fingerprint, Cursor>,
    /// The rows that are held back.
    pub(crate) held: BTreeMap<HeldKey, HeldRow>,
    pub(crate) alteration: Alteration,
    pub(crate) alterations: u64,
}

/// The peer, its changelog, and the vector.
pub(crate) type HeldKey = (Fingerprint, ChangelogId, VectorId);

/// A row and its place in the changelog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRow {
    pub(crate) change_id: ChangeId,
    pub(crate) row: Arc<Row>,
}

impl Database {
    pub(crate) fn new(origin: Origin, shards: &[ShardId]) -> Self {
        let shard = |id: &ShardId| Shard {
            id: id.clone(),
            state: ShardState::default(),
            rows: BTreeMap::new(),
            changes: BTreeSet::new(),
            cursors: BTreeMap::new(),
            held: BTreeMap::new(),
            alteration: Alteration::None,
            alterations: 0,
        };
        let names = origin.node.iter().map(|name| (origin.site, name.clone())).collect();
        Self {
            former: BTreeSet::new(),
            commit_no: 1,
            own_commit: 0,
            last_change: 0,
            last_stamp: Timestamp::default(),
            names,
            shards: shards.iter().map(shard).collect(),
            origin,
        }
    }

    /// The newest stamp among the versions of other nodes.
    pub(crate) fn newest_foreign_stamp(&self) -> Timestamp {
        let rows = self.shards.iter().flat_map(|shard| shard.rows.values());
        let versions = rows.flat_map(|stored| stored.row.siblings());
        let is_foreign = |site: SiteId| site != self.origin.site && !self.former.contains(&site);
        let foreign = versions.filter(|version| is_foreign(version.dot().site));
        foreign.map(vectr_delta::Sibling::timestamp).max().unwrap_or_default()
    }

    pub(crate) fn read(&self, shard: usize) -> Snapshot<'_> {
        Snapshot { database: self, shard: &self.shards[shard] }
    }
}

impl Shard {
    pub(crate) fn put(&mut self, id: &VectorId, change_id: ChangeId, row: &Row) {
        let stored = StoredRow { change_id, row: Arc::new(row.clone()) };
        if let Some(old) = self.rows.insert(id.clone(), stored) {
            self.changes.remove(&(old.change_id, id.clone()));
        }
        self.changes.insert((change_id, id.clone()));
    }

    /// Removes a row as another program does, without a trace.
    pub(crate) fn remove(&mut self, id: &VectorId) {
        if let Some(old) = self.rows.remove(id) {
            self.changes.remove(&(old.change_id, id.clone()));
        }
    }

    /// The digest computed from the rows.
    pub(crate) fn recounted(&self) -> Digest {
        let mut digest = Digest::default();
        self.rows.iter().for_each(|(id, stored)| digest.add(&self.id, id, &stored.row));
        digest
    }
}

/// A read transaction.
#[derive(Clone, Copy)]
pub(crate) struct Snapshot<'d> {
    database: &'d Database,
    shard: &'d Shard,
}

impl ShardRead for Snapshot<'_> {
    type Error = StoreError;

    fn shard(&self) -> &ShardId {
        &self.shard.id
    }

    fn origin(&self) -> &Origin {
        &self.database.origin
    }

    fn state(&self) -> &ShardState {
        &self.shard.state
    }

    fn commit_no(&self) -> CommitNo {
        self.database.commit_no
    }

    fn cursor(&self, peer: &Fingerprint) -> Result<Option<Cursor>, StoreError> {
        Ok(self.shard.cursors.get(peer).copied())
    }

    fn held_stamp(&self, peer: &Fingerprint, changelog: ChangelogId) -> Result<HeldStamp, StoreError> {
        let revisions = self.held(peer, changelog).map(|row| row.revision);
        Ok(HeldStamp {
            rows: self.held(peer, changelog).count() as u64,
            revision: revisions.max().unwrap_or_default(),
        })
    }

    fn held_rows(&self, peer: &Fingerprint, changelog: ChangelogId) -> Result<Vec<HeldRow>, StoreError> {
        Ok(self.held(peer, changelog).cloned().collect())
    }

    fn site_name(&self, site: SiteId) -> Result<Option<NodeName>, StoreError> {
        Ok(self.database.names.get(&site).cloned())
    }

    fn visit_rows(
        &self,
        after: ChangeId,
        filter: Option<&ShardVersion>,
        visit: RowVisitor<'_>,
    ) -> Result<(), StoreError> {
        // No id sorts before a space: it is the smallest printable text.
        let start = (after + 1, VectorId::new(" ").expect("a space is printable"));
        for (change_id, id) in self.shard.changes.range(start..) {
            let row = &self.shard.rows[id].row;
            let news = filter
                .is_none_or(|filter| row.siblings().iter().any(|sibling| !filter.covers(sibling.dot())));
            let visited = match news {
                true => VisitedRow::Row(VectorRow { id: id.clone(), row: (**row).clone() }),
                false => VisitedRow::Covered,
            };
            if let ControlFlow::Break(()) = visit(*change_id, visited) {
                break;
            }
        }
        Ok(())
    }

    fn visit_row(&self, id: &VectorId, visit: RangeVisitor<'_>) -> Result<(), StoreError> {
        if let Some(stored) = self.shard.rows.get(id) {
            let _ = visit(Some(VectorRow { id: id.clone(), row: (*stored.row).clone() }));
        }
        Ok(())
    }

    fn visit_range(&self, range: &IdRange, visit: RangeVisitor<'_>) -> Result<(), StoreError> {
        for entry in self.entries().filter(|entry| range.contains(&entry.id)) {
            if visit(Some(entry)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn alteration(&self) -> Result<Alteration, StoreError> {
        Ok(self.shard.alteration)
    }

    fn alterations(&self) -> Result<u64, StoreError> {
        Ok(self.shard.alterations)
    }
}

impl Snapshot<'_> {
    fn held(&self, peer: &Fingerprint, changelog: ChangelogId) -> impl Iterator<Item = &HeldRow> {
        let of = move |key: &HeldKey| key.0 == *peer && key.1 == changelog;
        self.shard.held.iter().filter(move |(key, _)| of(key)).map(|(_, row)| row)
    }

    fn entries(&self) -> impl Iterator<Item = VectorRow> {
        self.shard.rows.iter().map(|(id, stored)| VectorRow { id: id.clone(), row: (*stored.row).clone() })
    }
}

/// Why a transaction failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// An injected failure of the disk.
    Disk,
    /// The delta crate returned an error.
    Delta(DeltaError),
}

impl StoreError {
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Disk => "ERR_STORAGE",
            Self::Delta(error) => error.code(),
        }
    }
}

impl From<DeltaError> for StoreError {
    fn from(error: DeltaError) -> Self {
        Self::Delta(error)
    }
}
