use crate::database::Database;
use crate::disk::DiskTrust;
use crate::fault::Fault;
use crate::node::{Backup, SECOND};
use crate::store::Store;
use crate::strike::Strike;
use crate::world::{Event, World};

impl World {
    /// The process dies. The operating system still writes what was committed, so site and changelog stay.
    pub(crate) fn crash(&mut self, node: usize) {
        if !self.nodes[node].up {
            return;
        }
        self.struck.count(Strike::ProcessCrash);
        self.note(|| format!("node {node} crashes"));
        self.stop(node);
        self.boot_later(node);
    }

    /// The machine loses some or all of what no barrier has covered.
    pub(crate) fn cut_power(&mut self, node: usize) {
        self.struck.count(Strike::PowerCut);
        self.stop(node);
        let at_risk = self.nodes[node].store.at_risk();
        let reachable = self.nodes[node].store.reachable();
        let survivors = self.random.index(reachable + 1);
        if reachable < at_risk {
            self.struck.count(Strike::CutAfterFailedSync);
        }
        self.struck.add(Strike::Rewound, (at_risk - survivors) as u64);
        self.note(|| format!("node {node} loses power: {survivors} of {at_risk} commits survive"));
        self.nodes[node].store.cut_power(survivors);
        self.oracle.acknowledge(node, self.nodes[node].store.durable().commit_no);
        self.oracle.forget_pending(node);
        let keeps_changelog = self.fault == Some(Fault::ChangeIdUsedAgain);
        if keeps_changelog {
            self.nodes[node].store.forget_change_ids();
        }
        self.take_new_life(node, !keeps_changelog);
        self.boot_later(node);
    }

    /// The process closes its database properly and opens it again, so site and changelog stay.
    pub(crate) fn close_and_open(&mut self, node: usize) {
        if !self.nodes[node].up {
            return;
        }
        let commit_no = self.nodes[node].store.current().commit_no;
        self.sync_log(node, commit_no);
        self.stop(node);
        self.boot_later(node);
    }

    /// Keeps a copy of the node's file and of its memory.
    pub(crate) fn back_up(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        let (database, hellos) = (node.store.current().clone(), node.hellos.clone());
        node.backups.push_back(Backup { database, hellos });
        if node.backups.len() > 3 {
            node.backups.pop_front();
        }
    }

    /// An older copy replaces the node's file. It then gets fewer writes than it has lost, as many, or more.
    pub(crate) fn restore(&mut self, node: usize) {
        let backups = self.nodes[node].backups.len();
        if backups == 0 {
            return self.back_up(node);
        }
        let Backup { database: backup, hellos } =
            self.nodes[node].backups[self.random.index(backups)].clone();
        if backup == *self.nodes[node].store.current() {
            return;
        }
        self.struck.count(Strike::Restored);
        self.note(|| format!("node {node} is restored from commit {}", backup.commit_no));
        let own = |database: &Database| -> u64 {
            let vectors = database.shards.iter().map(|shard| &shard.state.version_vector);
            vectors.map(|vector| vector.seq(database.origin.site)).sum()
        };
        let lost = own(self.nodes[node].store.current()).saturating_sub(own(&backup));
        self.stop(node);
        self.nodes[node].store.replace(backup);
        if self.fault != Some(Fault::RestoredCopyKeepsSite) {
            self.take_new_life(node, true);
        }
        self.forget_replaced(node);
        if self.random.one_in(2) {
            // A snapshot of the running machine: the clock shows that time has passed.
            self.struck.count(Strike::RestoredWithMemory);
            self.nodes[node].hellos = hellos;
        }
        self.nodes[node].up = true;
        let writes = match self.random.below(3) {
            0 => lost / 2,
            1 => lost,
            _ => lost + self.random.between(1, 4),
        };
        if writes <= lost {
            self.struck.count(Strike::FewerAfterRestore);
        }
        self.nodes[node].owed = lost + 1;
        self.write_soon(node, writes);
    }

    /// A second node starts from a copy of this one's file, with the same certificate or its own. If there are already
    /// seven nodes, it replaces another one.
    pub(crate) fn clone_node(&mut self, node: usize) {
        let database = self.nodes[node].store.current().clone();
        let copy = if self.nodes.len() < MAX_NODES { self.add_node() } else { self.random.index(MAX_NODES) };
        if copy == node {
            return;
        }
        self.struck.count(Strike::Cloned);
        self.note(|| format!("node {copy} starts as a copy of node {node}"));
        if self.random.one_in(2) {
            self.nodes[copy].fingerprint = self.nodes[node].fingerprint;
        }
        self.stop(copy);
        self.nodes[copy].store.replace(database);
        self.nodes[copy].owed = 0;
        self.take_new_life(copy, true);
        self.forget_replaced(copy);
        self.nodes[copy].up = true;
    }

    /// An unnoticed copy, which keeps the site and the changelog of the original.
    pub(crate) fn clone_unnoticed(&mut self, node: usize) -> usize {
        let copy = self.add_node();
        let database = self.nodes[node].store.current().clone();
        self.nodes[copy].store = Store::new((*database).clone());
        copy
    }

    /// What was only on a replaced disk may be lost.
    pub(crate) fn forget_replaced(&mut self, node: usize) {
        self.oracle.forget_pending(node);
        self.oracle.release_lost(&self.nodes.iter().map(|node| &**node.store.durable()));
        self.check_node(node);
    }

    pub(crate) fn stop(&mut self, node: usize) {
        if self.nodes[node].barrier.is_some() {
            self.struck.count(Strike::BarrierBroken);
        }
        self.nodes[node].stop();
        self.suspect_log(node);
        self.drop_sessions_of(node);
    }

    /// The file cannot prove that it continues its former state, so it takes a new site.
    pub(crate) fn take_new_life(&mut self, node: usize, new_changelog: bool) {
        let (site, changelog) = (self.new_site(), self.new_changelog());
        let name = self.nodes[node].name.clone();
        let strategy = self.nodes[node].strategy;
        let open = |all: &mut crate::transaction::Transaction| {
            all.database.origin.node = Some(name);
            all.take_site(site, new_changelog.then_some(changelog));
            all.database.shards.iter_mut().for_each(|shard| shard.state.strategy = strategy);
            Ok::<(), crate::database::StoreError>(())
        };
        let opened = self.nodes[node].store.transact(0, None, open);
        assert!(opened.is_ok(), "a disk without a fuse does not fail");
        self.note(|| format!("node {node} takes site {site}"));
    }

    pub(crate) fn boot_later(&mut self, node: usize) {
        let delay = self.random.between(1_000, 5 * SECOND);
        self.schedule(delay, Event::Boot { node });
    }
}

impl World {
    /// All nodes are up, their clocks are right, and nothing fails any more.
    pub(crate) fn end_faults(&mut self) {
        self.faulty = false;
        self.acts_left = 0;
        for node in 0..self.nodes.len() {
            if self.nodes[node].trust == DiskTrust::FileLost {
                self.stop(node);
            }
            self.nodes[node].up = true;
            self.nodes[node].skew = self.new_skew();
        }
    }
}

const MAX_NODES: usize = 7;
