use std::collections::BTreeSet;

use vectr_delta::{Batch, HeldMessage, Message, RepairMessage, ShardVersion, SiteId, Strategy, VectorRow};

use crate::database::Database;
use crate::repairs::is_sound;
use crate::world::World;

impl World {
    /// Whether all nodes hold the same. The error says what differs.
    pub(crate) fn check_converged(&self) -> Result<(), String> {
        let first = self.nodes[0].store.current();
        for (number, node) in self.nodes.iter().enumerate() {
            if !is_sound(node.store.current()) {
                return Err(format!("node {number} has rows to be repaired"));
            }
            for shard in 0..self.shards.len() {
                same_shard(first, node.store.current(), shard, self.twins.any())
                    .map_err(|what| format!("nodes 0 and {number}, shard {shard}: {what}"))?;
            }
        }
        Ok(())
    }

    /// Whether each node keeps what it claims, and what was acknowledged.
    pub(crate) fn check_kept(&mut self) -> Result<(), String> {
        if self.twins.any() {
            self.nodes.iter().try_for_each(|node| check_books(node.store.current()))?;
            return self.check_twins();
        }
        for (number, node) in self.nodes.iter().enumerate() {
            let database = node.store.current();
            self.oracle
                .check_claims(database)
                .and_then(|()| self.oracle.check_acknowledged(database))
                .and_then(|()| check_books(database))
                .and_then(|()| self.check_loose_ends(database))
                .map_err(|what| format!("node {number}: {what}"))?;
        }
        Ok(())
    }

    /// Dots beyond the shared version vector can only be of sites whose disk was replaced: no node is left that could
    /// claim to hold all changes of such a site.
    fn check_loose_ends(&self, database: &Database) -> Result<(), String> {
        let living: BTreeSet<SiteId> =
            self.nodes.iter().map(|node| node.store.current().origin.site).collect();
        for shard in &database.shards {
            let state = &shard.state;
            let loose =
                |&(site, seq): &(SiteId, u64)| state.version_vector.seq(site) < seq && living.contains(&site);
            if let Some((site, seq)) = state.received.iter().find(loose) {
                return Err(format!(
                    "{} has received {site}:{seq} of a living site beyond its version vector",
                    shard.id
                ));
            }
        }
        Ok(())
    }

    /// How many shards end with dots that no version vector will ever cover.
    pub(crate) fn loose_shards(&self) -> u64 {
        self.nodes[0].store.current().shards.iter().filter(|shard| !shard.state.is_tight()).count() as u64
    }

    /// Checks one node at any time: what it holds now, and what would survive a power cut.
    pub(crate) fn check_node(&mut self, node: usize) {
        if !self.checks || !self.is_trusted(node) {
            return;
        }
        let store = &self.nodes[node].store;
        let checked = self
            .oracle
            .check_claims(store.current())
            .and_then(|()| self.oracle.check_claims(store.durable()));
        if let Err(what) = checked {
            self.violate(format!("node {node}: {what}"));
        }
    }

    /// Whether nothing is altered behind the node's back.
    fn is_trusted(&self, node: usize) -> bool {
        (node == 0 || !self.climate.tampers) && !self.twins.any()
    }

    /// Whether all that a message says would survive a power cut of its sender.
    pub(crate) fn check_leaving(&self, node: usize, shard: usize, message: &Message) -> Result<(), String> {
        let durable = self.nodes[node].store.durable();
        match message {
            Message::Hello(hello) => self.covered(durable, shard, &hello.version_vector),
            Message::End(end) => self.covered(durable, shard, &end.version_vector),
            Message::Durable(version_vector) => {
                self.covered(durable, shard, version_vector)?;
                let checks = self.checks && self.is_trusted(node);
                if checks { self.oracle.check_claims(durable) } else { Ok(()) }
            }
            Message::Batch(batch) => self.check_rows(node, shard, batch),
            Message::Repair(repair) => match &**repair {
                RepairMessage::Rows(rows) => self.check_rows(node, shard, &rows.rows),
                RepairMessage::State(state) => self.covered(durable, shard, &state.version_vector),
                _ => Ok(()),
            },
            Message::HeldRows(held) => match &**held {
                HeldMessage::Answer(answer) => self.check_rows(node, shard, &answer.rows),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn check_rows(&self, node: usize, shard: usize, batch: &Batch) -> Result<(), String> {
        if !self.is_trusted(node) {
            return Ok(());
        }
        let durable = self.nodes[node].store.durable();
        let held = |entry: &VectorRow| self.oracle.check_held(durable, shard, &entry.id, &entry.row);
        batch.rows.iter().try_for_each(held)
    }

    /// Whether all that a message claims is durable. What a life claimed that went on twice may still leave in its
    /// sessions after it has ended.
    fn covered(&self, durable: &Database, shard: usize, claimed: &ShardVersion) -> Result<(), String> {
        let survives = &durable.shards[shard].state.version_vector;
        if survives.covers_all(claimed)
            || claimed.beyond(survives).iter().all(|(site, _)| self.twins.has(site))
        {
            Ok(())
        } else {
            Err(format!("{claimed:?} claimed, {survives:?} durable"))
        }
    }
}

/// `live`: only vectors that still exist have to be the same.
fn same_shard(a: &Database, b: &Database, shard: usize, live: bool) -> Result<(), String> {
    let (a, b) = (&a.shards[shard], &b.shards[shard]);
    if a.state.version_vector != b.state.version_vector {
        return Err(format!("version vectors {:?} and {:?}", a.state.version_vector, b.state.version_vector));
    }
    let rows = |shard: &'_ crate::database::Shard| -> Vec<_> {
        let all = shard.rows.iter().filter(|(_, stored)| !live || stored.row.is_live());
        all.map(|(id, stored)| (id.clone(), stored.clone())).collect()
    };
    let (ours, theirs) = (rows(a), rows(b));
    if ours.len() != theirs.len() {
        return Err(format!("{} and {} rows", ours.len(), theirs.len()));
    }
    for ((id, mine), (other, theirs)) in ours.iter().zip(&theirs) {
        if id != other || mine.row.siblings() != theirs.row.siblings() {
            return Err(format!("rows {id} {:?} and {other} {:?}", mine.row, theirs.row));
        }
        for strategy in Strategy::ALL {
            let (mine, theirs) = (strategy.view(&mine.row), strategy.view(&theirs.row));
            if mine != theirs {
                return Err(format!("views of {id} under {strategy}: {mine:?} and {theirs:?}"));
            }
        }
    }
    if a.state.digest != b.state.digest {
        return Err(format!("digests {} and {}", a.state.digest, b.state.digest));
    }
    Ok(())
}

/// Whether digest, received dots and changelog match the rows.
fn check_books(database: &Database) -> Result<(), String> {
    for shard in &database.shards {
        if shard.state.digest != shard.recounted() {
            return Err(format!("the digest of {} does not match its rows", shard.id));
        }
        let listed = shard.changes.len();
        if listed != shard.rows.len() {
            return Err(format!("the changelog of {} lists {listed} of {} rows", shard.id, shard.rows.len()));
        }
        for (id, stored) in &shard.rows {
            for sibling in stored.row.siblings() {
                let (dot, state) = (sibling.dot(), &shard.state);
                let counted = state.version_vector.covers(dot) || state.received.covers(dot);
                if !counted || !sibling.is_intact() {
                    return Err(format!("{id} holds {sibling:?}, which is not counted or not intact"));
                }
            }
        }
    }
    Ok(())
}
