use std::collections::{BTreeMap, BTreeSet};

use vectr_delta::{Dot, SiteId};

use crate::fault::Fault;
use crate::node::SECOND;
use crate::repairs::is_sound;
use crate::strike::Strike;
use crate::world::World;

/// Which lives went on twice, and which nodes never meet.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    /// For each site that two copies wrote under, and each shard, the last number that both have in common.
    common: BTreeMap<SiteId, Vec<u64>>,
    /// Pairs of nodes that have no sessions with each other.
    strangers: BTreeSet<(usize, usize)>,
}

impl Twins {
    /// Whether some life went on twice.
    pub(crate) fn any(&self) -> bool {
        !self.common.is_empty()
    }

    /// Whether this life went on twice.
    pub(crate) fn has(&self, site: SiteId) -> bool {
        self.common.contains_key(&site)
    }

    /// Whether one copy wrote this without knowing of the other.
    pub(crate) fn is_of_one_copy(&self, shard: usize, dot: Dot) -> bool {
        self.common.get(&dot.site).is_some_and(|common| common[shard] < dot.seq)
    }
}

impl World {
    /// Whether two nodes may have sessions with each other.
    pub(crate) fn may_meet(&self, a: usize, b: usize) -> bool {
        let pair = (a.min(b), a.max(b));
        a != b && (!self.climate.hub || pair.0 == 0) && !self.twins.strangers.contains(&pair)
    }

    /// Whether a running node was cloned, even if only one copy went on.
    pub(crate) fn has_clones(&self) -> bool {
        self.twins.any() || !self.twins.strangers.is_empty()
    }

    /// Whether some nodes meet only by way of others.
    pub(crate) fn has_strangers(&self) -> bool {
        self.climate.hub || !self.twins.strangers.is_empty()
    }

    /// A life goes on twice, or seems to.
    pub(crate) fn split_life(&mut self, node: usize) {
        if node == 0 && self.needs_first_node() {
            return;
        }
        match self.random.below(4) {
            0 => self.clone_running(node, true),
            1 => self.resume(node),
            _ => self.clone_running(node, false),
        }
    }

    /// A running process is cloned with its memory and its disk, or its file is copied with the proof of its life. Both
    /// copies go on; or only one does, and the other is opened anew before it has done anything.
    fn clone_running(&mut self, node: usize, alone: bool) {
        if !self.nodes[node].up || self.nodes.len() > MOST_NODES {
            return;
        }
        let copy = self.add_node();
        self.struck.count(if alone { Strike::ClonedAlone } else { Strike::ClonedRunning });
        self.note(|| format!("node {copy} is node {node} cloned while it runs; alone {alone}"));
        let (with_memory, same_key) = (self.random.one_in(2), self.random.one_in(2));
        self.nodes[copy].store = self.nodes[node].store.clone();
        self.nodes[copy].strategy = self.nodes[node].strategy;
        if with_memory {
            self.nodes[copy].hellos = self.nodes[node].hellos.clone();
            (self.nodes[copy].trust, self.nodes[copy].synced) =
                (self.nodes[node].trust, self.nodes[node].synced);
        } else {
            self.suspect_log(copy);
        }
        if same_key {
            self.nodes[copy].fingerprint = self.nodes[node].fingerprint;
        }
        if self.random.one_in(4) {
            self.nodes[copy].skew = self.new_skew();
        } else {
            // Two tombstones with the same number and stamp would be one version.
            self.nodes[copy].skew = self.nodes[node].skew + 1;
        }
        // The others would never hear of a copy of the only one that they all meet.
        let is_hub = self.climate.hub && node == 0;
        if !is_hub && !self.random.one_in(4) {
            self.twins.strangers.insert((node, copy));
        }
        if alone {
            let other = if self.random.one_in(2) { node } else { copy };
            self.stop(other);
            self.take_new_life(other, true);
            self.nodes[other].up = true;
        } else {
            self.note_split(copy);
        }
        let writes = [self.random.below(6), self.random.below(6)];
        self.write_soon(node, writes[0]);
        self.write_soon(copy, writes[1]);
    }

    /// A snapshot of the running machine is resumed with its memory, and its clock does not show it: the process goes on
    /// from where it was, although it has gone on before.
    fn resume(&mut self, node: usize) {
        let Some(backup) = self.nodes[node].backups.back().cloned() else { return self.back_up(node) };
        let is_former = backup.database.origin.site != self.nodes[node].store.current().origin.site;
        // Damage that is repaired by now may have no sound copy elsewhere any more.
        if is_former || !is_sound(&backup.database) {
            return;
        }
        self.struck.count(Strike::ResumedUnnoticed);
        self.note(|| format!("node {node} resumes commit {}", backup.database.commit_no));
        self.stop(node);
        self.nodes[node].store.replace(backup.database);
        self.nodes[node].hellos = backup.hellos;
        self.note_split(node);
        self.forget_replaced(node);
        self.nodes[node].owed = 0;
        self.nodes[node].up = true;
        let writes = self.random.below(6);
        self.write_soon(node, writes);
    }

    fn note_split(&mut self, node: usize) {
        let database = self.nodes[node].store.current();
        let site = database.origin.site;
        let heads = database.shards.iter().map(|shard| shard.state.version_vector.seq(site));
        let heads: Vec<u64> = heads.collect();
        let common = self.twins.common.entry(site).or_insert_with(|| heads.clone());
        common.iter_mut().zip(heads).for_each(|(common, head)| *common = head.min(*common));
        // From now on a node may claim what the other copy wrote.
        self.checks = false;
    }

    /// A session has noticed that a site is in use twice.
    pub(crate) fn note_fork(&mut self, node: usize, site: SiteId) -> bool {
        self.forks += 1;
        if self.nodes[node].store.current().origin.site != site {
            return false;
        }
        if self.twins.has(site) {
            self.struck.count(Strike::CloneNoticed);
        }
        self.fault != Some(Fault::CloneGoesUnnoticed)
    }

    /// Both copies write once more, and all meet again.
    pub(crate) fn meet_again(&mut self) -> u64 {
        for node in 0..self.nodes.len() {
            let writes = self.random.below(3);
            self.write_soon(node, writes);
        }
        self.run_for(5 * SECOND);
        self.sync_until_converged()
    }

    /// Whether nothing is lost but what the copies of one life wrote without knowing of each other.
    pub(crate) fn check_twins(&mut self) -> Result<(), String> {
        let databases = self.nodes.iter().map(|node| &**node.store.current());
        let lost = self.oracle.lost(&databases)?;
        // What such a write superseded is lost with it.
        let by_copy =
            |shard: usize, dots: &[Dot]| dots.iter().any(|dot| self.twins.is_of_one_copy(shard, *dot));
        if let Some((shard, dots)) = lost.iter().find(|(shard, dots)| !by_copy(*shard, dots)) {
            return Err(format!("{dots:?} of shard {shard} are lost, which no copy of a life wrote"));
        }
        self.lost_by_twins = lost.len() as u64;
        Ok(())
    }
}

const MOST_NODES: usize = 7;
