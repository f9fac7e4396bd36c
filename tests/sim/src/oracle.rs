use std::collections::BTreeMap;

use vectr_delta::{CommitNo, Dot, Row, Sibling, VectorId};

use crate::database::Database;
use crate::transaction::RowPut;

/// Records every version ever committed on any node, and which versions its writer had seen.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    vectors: BTreeMap<(usize, VectorId), Vec<Write>>,
    /// For each node the writes that are not yet durable.
    pending: BTreeMap<usize, Vec<(CommitNo, WriteId)>>,
    /// Whether rows are removed behind the nodes' backs: a write to such a vector supersedes what its site wrote before,
    /// seen or not.
    rows_vanish: bool,
}

#[derive(Debug)]
struct Write {
    version: Sibling,
    /// The writes that this one superseded, transitively.
    seen: WriteSet,
    /// Whether it is acknowledged and must not be lost any more.
    acknowledged: bool,
}

#[derive(Clone, Debug)]
struct WriteId {
    vector: (usize, VectorId),
    place: usize,
}

impl Oracle {
    /// `rows_vanish`: rows are removed behind the nodes' backs.
    pub(crate) fn new(rows_vanish: bool) -> Self {
        Self { rows_vanish, ..Self::default() }
    }

    /// Records the rows that a transaction of local writes has committed.
    pub(crate) fn record(&mut self, node: usize, commit_no: CommitNo, puts: &[RowPut]) -> Result<(), String> {
        for put in puts {
            let gone = superseded(put);
            let vector = (put.shard, put.id.clone());
            let writes = self.vectors.entry(vector.clone()).or_default();
            let mut seen = WriteSet::default();
            for sibling in gone {
                let place = find(writes, sibling).ok_or_else(|| unknown(&put.id, sibling))?;
                seen.insert(place);
                seen.join(&writes[place].seen);
            }
            for version in put.new.siblings() {
                if find(writes, version).is_some() {
                    continue;
                }
                if self.rows_vanish {
                    see_own(writes, version, &mut seen);
                }
                let place = writes.len();
                writes.push(Write { version: version.clone(), seen: seen.clone(), acknowledged: false });
                let id = WriteId { vector: vector.clone(), place };
                self.pending.entry(node).or_default().push((commit_no, id));
            }
        }
        Ok(())
    }

    /// Everything on the node up to this commit is durable.
    pub(crate) fn acknowledge(&mut self, node: usize, durable: CommitNo) {
        let Some(pending) = self.pending.get_mut(&node) else { return };
        for (_, id) in pending.extract_if(.., |(commit_no, _)| *commit_no <= durable) {
            if let Some(writes) = self.vectors.get_mut(&id.vector) {
                writes[id.place].acknowledged = true;
            }
        }
    }

    /// The node's commits that were not durable are gone.
    pub(crate) fn forget_pending(&mut self, node: usize) {
        self.pending.remove(&node);
    }

    /// After a disk was replaced, what no disk holds durably any more is no longer required.
    pub(crate) fn release_lost<'d>(&mut self, disks: &(impl Iterator<Item = &'d Database> + Clone)) {
        for ((shard, id), writes) in &mut self.vectors {
            let mut held = WriteSet::default();
            for row in disks.clone().filter_map(|disk| disk.shards[*shard].rows.get(id)) {
                held.join(&history(writes, &row.row).unwrap_or_default());
            }
            for (place, write) in writes.iter_mut().enumerate() {
                write.acknowledged &= held.contains(place);
            }
        }
    }

    /// Whether everything that the database claims to cover is held, or superseded by something held whose writer
    /// had seen it.
    pub(crate) fn check_claims(&self, database: &Database) -> Result<(), String> {
        for ((shard, id), writes) in &self.vectors {
            let shard = &database.shards[*shard];
            let row = shard.rows.get(id).map(|stored| &*stored.row);
            let held = self.held(writes, id, row)?;
            for (place, write) in writes.iter().enumerate().filter(|(place, _)| !held.contains(*place)) {
                let dot = write.version.dot();
                if shard.state.version_vector.covers(dot) {
                    return Err(lost("the version vector", id, &writes[place], row));
                }
                if row.is_some_and(|row| row.context().covers(dot)) {
                    return Err(lost("the row's context", id, &writes[place], row));
                }
            }
        }
        Ok(())
    }

    /// Whether every acknowledged write is present or causally superseded.
    pub(crate) fn check_acknowledged(&self, database: &Database) -> Result<(), String> {
        for ((shard, id), writes) in &self.vectors {
            let row = database.shards[*shard].rows.get(id).map(|stored| &*stored.row);
            let held = self.held(writes, id, row)?;
            let gone =
                writes.iter().enumerate().find(|(place, write)| write.acknowledged && !held.contains(*place));
            if let Some((_, write)) = gone {
                return Err(lost("an acknowledgement", id, write, row));
            }
        }
        Ok(())
    }

    /// The acknowledged writes that none of the databases holds or has superseded: for each one its shard and its dot,
    /// and those of the lost writes that superseded it.
    pub(crate) fn lost<'d>(
        &self,
        databases: &(impl Iterator<Item = &'d Database> + Clone),
    ) -> Result<Vec<(usize, Vec<Dot>)>, String> {
        let mut lost = Vec::new();
        for ((shard, id), writes) in &self.vectors {
            let mut held = WriteSet::default();
            for row in databases.clone().filter_map(|database| database.shards[*shard].rows.get(id)) {
                held.join(&self.held(writes, id, Some(&row.row))?);
            }
            let gone: Vec<_> =
                writes.iter().enumerate().filter(|(place, _)| !held.contains(*place)).collect();
            for (place, write) in gone.iter().filter(|(_, write)| write.acknowledged) {
                let later = gone.iter().filter(|(_, later)| later.seen.contains(*place));
                let dots = later.map(|(_, later)| later.version.dot());
                lost.push((*shard, std::iter::once(write.version.dot()).chain(dots).collect()));
            }
        }
        Ok(lost)
    }

    /// Whether `row`'s versions are all held by, or superseded in, the database.
    pub(crate) fn check_held(
        &self,
        database: &Database,
        shard: usize,
        id: &VectorId,
        row: &Row,
    ) -> Result<(), String> {
        let Some(writes) = self.vectors.get(&(shard, id.clone())) else {
            return Err(format!("'{id}' was never written"));
        };
        let stored = database.shards[shard].rows.get(id).map(|stored| &*stored.row);
        let held = self.held(writes, id, stored)?;
        for sibling in row.siblings() {
            let place = find(writes, sibling).ok_or_else(|| unknown(id, sibling))?;
            if !held.contains(place) {
                return Err(lost("what left the node", id, &writes[place], stored));
            }
        }
        Ok(())
    }

    /// How many writes there were, and how many of them were acknowledged.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let all = || self.vectors.values().flatten();
        (all().count() as u64, all().filter(|write| write.acknowledged).count() as u64)
    }

    fn held(&self, writes: &[Write], id: &VectorId, row: Option<&Row>) -> Result<WriteSet, String> {
        row.map_or_else(|| Ok(WriteSet::default()), |row| history(writes, row))
            .map_err(|sibling| unknown(id, &sibling))
    }
}

/// The versions of a row, and all that their writers had seen. Fails with a version that nobody wrote.
fn history(writes: &[Write], row: &Row) -> Result<WriteSet, Sibling> {
    let mut held = WriteSet::default();
    for sibling in row.siblings() {
        let place = find(writes, sibling).ok_or_else(|| sibling.clone())?;
        held.insert(place);
        held.join(&writes[place].seen);
    }
    Ok(held)
}

/// Versions are distinguished by content as well, because a forked site gives one dot to two of them.
fn find(writes: &[Write], sibling: &Sibling) -> Option<usize> {
    writes.iter().rposition(|write| write.version == *sibling)
}

/// What the version's site wrote to the vector before.
fn see_own(writes: &[Write], version: &Sibling, seen: &mut WriteSet) {
    let Dot { site, seq } = version.dot();
    let before = |write: &Write| write.version.dot().site == site && write.version.dot().seq < seq;
    for (place, write) in writes.iter().enumerate().filter(|(_, write)| before(write)) {
        seen.insert(place);
        seen.join(&write.seen);
    }
}

fn superseded(put: &RowPut) -> impl Iterator<Item = &Sibling> {
    let old = put.old.iter().flat_map(Row::siblings);
    old.filter(|sibling| put.new.sibling(sibling.dot()) != Some(*sibling))
}

fn unknown(id: &VectorId, sibling: &Sibling) -> String {
    format!("'{id}' has a version that nobody wrote: {sibling:?}")
}

fn lost(claim: &str, id: &VectorId, write: &Write, row: Option<&Row>) -> String {
    let dot: Dot = write.version.dot();
    format!("{claim} covers {dot:?} of '{id}', which is neither held nor superseded: {row:?}")
}

/// Places in the list of one vector's writes.
#[derive(Clone, Debug, Default)]
struct WriteSet(Vec<u64>);

impl WriteSet {
    fn insert(&mut self, place: usize) {
        let word = place / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (place % 64);
    }

    fn join(&mut self, other: &Self) {
        if other.0.len() > self.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }

    fn contains(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }
}
