use std::collections::BTreeMap;
use std::ops::ControlFlow;

use vectr_delta::{
    Alteration, ChangeId, ChangelogId, CommitNo, Cursor, Fingerprint, HeldRow, HeldStamp, IdRange, NodeName,
    Origin, RangeVisitor, Row, RowVisitor, ShardId, ShardRead, ShardState, ShardVersion, ShardWrite, SiteId,
    Timestamp, VectorId,
};

use crate::database::{Database, HeldKey, StoreError};

/// A write transaction: works on a copy of the database, which is kept or dropped as a whole.
pub(crate) struct Transaction {
    pub(crate) database: Database,
    /// The shard that the traits refer to.
    pub(crate) shard: usize,
    /// The steps left until the disk fails.
    pub(crate) fuse: Option<u64>,
    pub(crate) puts: Vec<RowPut>,
}

/// A row that was stored, for the oracle.
pub(crate) struct RowPut {
    pub(crate) shard: usize,
    pub(crate) id: VectorId,
    pub(crate) old: Option<Row>,
    pub(crate) new: Row,
}

impl Transaction {
    /// Gives the database another site, and with `changelog` also another changelog.
    pub(crate) fn take_site(&mut self, site: SiteId, changelog: Option<ChangelogId>) {
        let origin = &mut self.database.origin;
        self.database.former.insert(origin.site);
        origin.site = site;
        if let Some(changelog) = changelog {
            origin.changelog = changelog;
        }
        let name = origin.node.clone();
        self.database.names.extend(name.map(|name| (site, name)));
    }

    /// Empties the lists of held rows; a deliberate fault. Returns what was there.
    pub(crate) fn forget_lists(&mut self) -> BTreeMap<HeldKey, HeldRow> {
        std::mem::take(&mut self.database.shards[self.shard].held)
    }

    /// Puts rows back on the lists.
    pub(crate) fn keep_list(&mut self, rows: BTreeMap<HeldKey, HeldRow>) {
        self.database.shards[self.shard].held.extend(rows);
    }

    fn step(&mut self) -> Result<(), StoreError> {
        match &mut self.fuse {
            Some(0) => Err(StoreError::Disk),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl ShardRead for Transaction {
    type Error = StoreError;

    fn shard(&self) -> &ShardId {
        &self.database.shards[self.shard].id
    }

    fn origin(&self) -> &Origin {
        &self.database.origin
    }

    fn state(&self) -> &ShardState {
        &self.database.shards[self.shard].state
    }

    fn commit_no(&self) -> CommitNo {
        self.database.commit_no
    }

    fn cursor(&self, peer: &Fingerprint) -> Result<Option<Cursor>, StoreError> {
        self.database.read(self.shard).cursor(peer)
    }

    fn held_stamp(&self, peer: &Fingerprint, changelog: ChangelogId) -> Result<HeldStamp, StoreError> {
        self.database.read(self.shard).held_stamp(peer, changelog)
    }

    fn held_rows(&self, peer: &Fingerprint, changelog: ChangelogId) -> Result<Vec<HeldRow>, StoreError> {
        self.database.read(self.shard).held_rows(peer, changelog)
    }

    fn site_name(&self, site: SiteId) -> Result<Option<NodeName>, StoreError> {
        self.database.read(self.shard).site_name(site)
    }

    fn visit_rows(
        &self,
        after: ChangeId,
        filter: Option<&ShardVersion>,
        visit: RowVisitor<'_>,
    ) -> Result<(), StoreError> {
        let visit: &mut dyn FnMut(_, _) -> ControlFlow<()> = visit;
        self.database.read(self.shard).visit_rows(after, filter, visit)
    }

    fn visit_row(&self, id: &VectorId, visit: RangeVisitor<'_>) -> Result<(), StoreError> {
        self.database.read(self.shard).visit_row(id, visit)
    }

    fn visit_range(&self, range: &IdRange, visit: RangeVisitor<'_>) -> Result<(), StoreError> {
        self.database.read(self.shard).visit_range(range, visit)
    }

    fn alteration(&self) -> Result<Alteration, StoreError> {
        self.database.read(self.shard).alteration()
    }

    fn alterations(&self) -> Result<u64, StoreError> {
        self.database.read(self.shard).alterations()
    }
}

impl ShardWrite for Transaction {
    fn state_mut(&mut self) -> &mut ShardState {
        &mut self.database.shards[self.shard].state
    }

    fn row(&mut self, id: &VectorId) -> Result<Option<Row>, StoreError> {
        self.step()?;
        Ok(self.database.shards[self.shard].rows.get(id).map(|stored| (*stored.row).clone()))
    }

    fn put_row(&mut self, id: &VectorId, old: Option<&Row>, new: &Row) -> Result<(), StoreError> {
        self.step()?;
        self.database.last_change += 1;
        self.database.shards[self.shard].put(id, self.database.last_change, new);
        self.puts.push(RowPut { shard: self.shard, id: id.clone(), old: old.cloned(), new: new.clone() });
        self.step()
    }

    fn set_alteration(&mut self, alteration: Alteration) -> Result<(), StoreError> {
        self.step()?;
        self.database.shards[self.shard].alteration = alteration;
        self.count_alteration()
    }

    fn count_alteration(&mut self) -> Result<(), StoreError> {
        self.database.shards[self.shard].alterations += 1;
        Ok(())
    }

    fn set_cursor(&mut self, peer: &Fingerprint, cursor: Cursor) -> Result<(), StoreError> {
        self.step()?;
        self.database.shards[self.shard].cursors.insert(*peer, cursor);
        self.step()
    }

    fn hold_row(
        &mut self,
        peer: &Fingerprint,
        changelog: ChangelogId,
        row: &HeldRow,
    ) -> Result<bool, StoreError> {
        self.step()?;
        let held = &mut self.database.shards[self.shard].held;
        let key = (*peer, changelog, row.id.clone());
        let room = ROOMS[peer.as_bytes()[0] as usize % ROOMS.len()];
        if !held.contains_key(&key) && held.keys().filter(|key| key.0 == *peer).count() >= room {
            return Ok(false);
        }
        held.insert(key, row.clone());
        self.step()?;
        Ok(true)
    }

    fn release_row(
        &mut self,
        peer: &Fingerprint,
        changelog: ChangelogId,
        id: &VectorId,
        revision: CommitNo,
    ) -> Result<(), StoreError> {
        let key = (*peer, changelog, id.clone());
        let held = &mut self.database.shards[self.shard].held;
        if held.get(&key).is_some_and(|row| row.revision == revision) {
            held.remove(&key);
        }
        self.step()
    }

    fn forget_held_rows(&mut self, peer: &Fingerprint, but: [ChangelogId; 2]) -> Result<(), StoreError> {
        let held = &mut self.database.shards[self.shard].held;
        held.retain(|key, _| key.0 != *peer || but.contains(&key.1));
        self.step()
    }

    fn forget_cursors(&mut self) -> Result<(), StoreError> {
        self.database.shards[self.shard].cursors.clear();
        self.database.shards[self.shard].held.clear();
        self.step()
    }

    fn name_site(&mut self, site: SiteId, name: &NodeName) -> Result<(), StoreError> {
        self.database.names.insert(site, name.clone());
        Ok(())
    }

    fn last_stamp(&self) -> Timestamp {
        self.database.last_stamp
    }

    fn set_last_stamp(&mut self, stamp: Timestamp) {
        self.database.last_stamp = stamp;
    }
}

/// The most rows on the list of one peer: few for some, so that lists fill up.
const ROOMS: [usize; 3] = [1, 4, 64];
