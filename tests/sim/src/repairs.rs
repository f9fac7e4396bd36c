use std::sync::Arc;

use vectr_delta::{
    Alteration, Batch, Payload, Preference, RemoteApply, Row, ShardVersion, ShardWrite, Sibling, StoreReply,
    StoreRequest, VectorId, compare_ranges, count_rows, read_range, settle_repair, split_ranges,
};

use crate::database::Database;
use crate::fault::Fault;
use crate::node::{Node, Place};
use crate::requests::without;
use crate::strike::Strike;
use crate::transaction::Transaction;
use crate::world::World;

impl World {
    /// What a repair asks of the storage.
    pub(crate) fn carry_repair(&mut self, from: Place, request: StoreRequest) -> StoreReply {
        let link = &self.links[from.link];
        let (node, shard) = (link.ends[from.side].node, link.shard);
        let commit_no = self.leaving_commit(node);
        let database = self.nodes[node].store.current();
        let snapshot = database.read(shard);
        match request {
            StoreRequest::SplitRanges(ranges) => {
                let counted = count_rows(&snapshot).expect("a snapshot reads without errors");
                let mut digests = split_ranges(&snapshot, &ranges).expect("a snapshot reads without errors");
                digests.commit_no = commit_no;
                self.nodes[node].counted.insert(shard, counted);
                StoreReply::RangeDigests(Box::new(digests))
            }
            StoreRequest::CompareRanges(theirs) => {
                let counted = count_rows(&snapshot).expect("a snapshot reads without errors");
                let mut counts = compare_ranges(&snapshot, &theirs).expect("a snapshot reads without errors");
                counts.commit_no = commit_no;
                self.nodes[node].counted.insert(shard, counted);
                StoreReply::RangeCounts(Box::new(counts))
            }
            StoreRequest::ReadRange { range, size } => {
                let mut page = read_range(&snapshot, &range, size).expect("a snapshot reads without errors");
                page.commit_no = commit_no;
                StoreReply::RangePage(Box::new(page))
            }
            StoreRequest::JoinRange { remote, rows, preference } => {
                self.join_range(node, shard, *remote, rows, preference)
            }
            StoreRequest::FinishRepair { remote, matches } => {
                self.finish_repair(node, shard, *remote, matches)
            }
            StoreRequest::SettleRepair(peer) => self.settle_repair(node, shard, &peer),
            _ => unreachable!("it is not about a repair"),
        }
    }

    fn join_range(
        &mut self,
        node: usize,
        shard: usize,
        mut remote: RemoteApply,
        mut rows: Batch,
        preference: Preference,
    ) -> StoreReply {
        if self.fault == Some(Fault::RepairOfSingleSiblings) {
            let first = |row: &Row| row.siblings()[0].dot();
            let single = |entry: vectr_delta::VectorRow| {
                let first = first(&entry.row);
                without(entry, |dot| dot != first)
            };
            rows.rows = rows.rows.into_iter().filter_map(single).collect();
        }
        let moves = self.fault == Some(Fault::RepairMovesVersionVector);
        let (fuse, wall) = (self.new_fuse(), self.nodes[node].wall(self.now));
        let result = self.nodes[node].store.transact(shard, fuse, |shard| {
            let applied = remote.join_range(shard, &rows, wall, preference)?;
            if moves {
                let siblings = rows.rows.iter().flat_map(|entry| entry.row.siblings());
                siblings.for_each(|sibling| shard.state_mut().version_vector.add(sibling.dot()));
            }
            Ok(applied)
        });
        match result {
            Ok(committed) => {
                self.after_commit(node, false, &committed);
                self.struck.add(Strike::Repaired, committed.value.changed);
                StoreReply::RangeJoined { remote: Box::new(remote), applied: committed.value, changes: None }
            }
            Err(refusal) => self.refused(node, Strike::ApplyRolledBack, refusal),
        }
    }

    fn finish_repair(
        &mut self,
        node: usize,
        shard: usize,
        mut remote: RemoteApply,
        matches: bool,
    ) -> StoreReply {
        let fuse = self.new_fuse();
        let counted = self.nodes[node].counted.remove(&shard);
        let finish = |shard: &mut Transaction| remote.finish_repair(shard, matches, counted.as_ref());
        let result = self.nodes[node].store.transact(shard, fuse, finish);
        match result {
            Ok(committed) => {
                self.after_commit(node, false, &committed);
                let commit_no = self.leaving_commit(node);
                StoreReply::RepairFinished { remote: Box::new(remote), repaired: committed.value, commit_no }
            }
            Err(refusal) => self.refused(node, Strike::EndRolledBack, refusal),
        }
    }

    fn settle_repair(&mut self, node: usize, shard: usize, peer: &ShardVersion) -> StoreReply {
        let fuse = self.new_fuse();
        let settle = |shard: &mut Transaction| settle_repair(shard, peer, None);
        match self.nodes[node].store.transact(shard, fuse, settle) {
            Ok(committed) => {
                self.after_commit(node, false, &committed);
                StoreReply::RepairSettled
            }
            Err(error) => self.refused(node, Strike::EndRolledBack, error.into()),
        }
    }

    /// Another program removes a row from the node's file, or the disk damages it. Only what the first node holds as well,
    /// whose disk is sound: what nobody else has is lost. No tombstones, which are part of no digest: a repair finds
    /// them only from a peer that it happens to be made with.
    pub(crate) fn tamper(&mut self, node: usize) {
        // A node that goes on twice writes its rows again under another site, and nobody may hold the former ones then.
        if node == 0 || self.twins.has(self.nodes[0].store.current().origin.site) {
            return;
        }
        let shard = self.random.index(self.shards.len());
        let sound = &self.nodes[0].store.durable().shards[shard].rows;
        let is_held = |id: &VectorId, row: &Row| {
            sound.get(id).is_some_and(|held| held.row.is_intact() && held.row.join(row) == *held.row)
        };
        let rows = &self.nodes[node].store.current().shards[shard].rows;
        let held: Vec<VectorId> = rows
            .iter()
            .filter(|(id, stored)| stored.row.is_live() && is_held(id, &stored.row))
            .map(|(id, _)| id.clone())
            .collect();
        if held.is_empty() {
            return;
        }
        let id = held[self.random.index(held.len())].clone();
        let removes = self.random.one_in(2);
        self.note(|| format!("node {node}: '{id}' is {}", if removes { "removed" } else { "damaged" }));
        self.nodes[node].store.tamper(|database| {
            let shard = &mut database.shards[shard];
            if removes {
                shard.remove(&id);
            } else if let Some(stored) = shard.rows.get_mut(&id) {
                stored.row = Arc::new(rotten(&stored.row));
            }
            shard.alteration = Alteration::Present;
            shard.alterations += 1;
        });
        self.struck.count(if removes { Strike::RowRemoved } else { Strike::RowDamaged });
    }
}

impl World {
    /// Whether the first node is to keep what it holds, because rows of other nodes are to be repaired from it.
    pub(crate) fn needs_first_node(&self) -> bool {
        let is_sound = |node: &Node| is_sound(node.store.current()) && is_sound(node.store.durable());
        !self.nodes.iter().all(is_sound)
    }
}

/// Whether nothing is left to be repaired in the database.
pub(crate) fn is_sound(database: &Database) -> bool {
    let intact = |row: &Row| row.is_intact();
    database.shards.iter().all(|shard| {
        shard.alteration != Alteration::Present && shard.rows.values().all(|stored| intact(&stored.row))
    })
}

/// The row with other content than its versions were written with.
fn rotten(row: &Row) -> Row {
    let siblings = row.siblings().iter().map(|sibling| {
        let payload = sibling.payload()?;
        let bytes = payload.vector().iter().map(|byte| byte ^ 1).collect::<Vec<u8>>();
        let payload = Payload::from_checked(bytes.into(), payload.metadata().cloned());
        let parts = Some((payload, sibling.hash()));
        Sibling::from_parts(sibling.dot(), sibling.timestamp(), sibling.operation(), parts)
    });
    let siblings =
        siblings.zip(row.siblings()).map(|(rotten, sound)| rotten.unwrap_or_else(|| sound.clone()));
    Row::new(siblings.collect(), row.context().clone()).expect("the row has as many versions as before")
}
