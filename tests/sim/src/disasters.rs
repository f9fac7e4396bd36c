use crate::database::Database;
use crate::fault::Fault;
use crate::node::SECOND;
use crate::store::Store;
use crate::strike::Strike;
use crate::world::{Event, World};

impl World {
    /// The process dies. The operating system still writes what was committed: site and changelog go on.
    pub(crate) fn crash(&mut self, node: usize) {
        if !self.nodes[node].up {
            return;
        }
        self.struck.count(Strike::ProcessCrash);
        self.note(|| format!("node {node} crashes"));
        self.stop(node);
        self.boot_later(node);
    }

    /// The machine loses what no barrier has covered, or a part of it.
    pub(crate) fn cut_power(&mut self, node: usize) {
        self.struck.count(Strike::PowerCut);
        self.stop(node);
        let at_risk = self.nodes[node].store.at_risk();
        let survivors = self.random.index(at_risk + 1);
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

    /// The process closes its database in order, and opens it again: site and changelog go on.
    pub(crate) fn close_and_open(&mut self, node: usize) {
        if !self.nodes[node].up {
            return;
        }
        self.stop(node);
        let commit_no = self.nodes[node].store.current().commit_no;
        self.nodes[node].store.make_durable(commit_no);
        self.oracle.acknowledge(node, commit_no);
        self.boot_later(node);
    }

    /// Keeps a copy of the node's file.
    pub(crate) fn back_up(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.backups.push_back(node.store.current().clone());
        if node.backups.len() > 3 {
            node.backups.pop_front();
        }
    }

    /// The node's file is replaced by an older copy of it, and then written to more often than it has lost writes.
    pub(crate) fn restore(&mut self, node: usize) {
        let backups = self.nodes[node].backups.len();
        if backups == 0 {
            return self.back_up(node);
        }
        let backup = self.nodes[node].backups[self.random.index(backups)].clone();
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
        self.nodes[node].up = true;
        let more = self.random.between(1, 4);
        self.nodes[node].owed = lost + 1;
        self.write_soon(node, lost + more);
    }

    /// A second node starts from a copy of this one's file, with the copied certificate or one of its own. With
    /// seven nodes it takes the place of another.
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

    /// A copy that nobody noticed: it goes on under the site and changelog of the original.
    pub(crate) fn clone_unnoticed(&mut self, node: usize) -> usize {
        let copy = self.add_node();
        let database = self.nodes[node].store.current().clone();
        self.nodes[copy].store = Store::new((*database).clone());
        copy
    }

    /// What was only on a disk that is no longer there may be gone.
    fn forget_replaced(&mut self, node: usize) {
        self.oracle.forget_pending(node);
        self.oracle.release_lost(&self.nodes.iter().map(|node| &**node.store.durable()));
        self.check_node(node);
    }

    fn stop(&mut self, node: usize) {
        if self.nodes[node].barrier.is_some() {
            self.struck.count(Strike::BarrierBroken);
        }
        self.nodes[node].stop();
        self.drop_sessions_of(node);
    }

    /// The file cannot prove that it went on from where it was.
    fn take_new_life(&mut self, node: usize, new_changelog: bool) {
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

    fn boot_later(&mut self, node: usize) {
        let delay = self.random.between(1_000, 5 * SECOND);
        self.schedule(delay, Event::Boot { node });
    }
}

impl World {
    /// Everyone is up, clocks are right, and nothing fails any more.
    pub(crate) fn end_faults(&mut self) {
        self.faulty = false;
        self.acts_left = 0;
        for node in 0..self.nodes.len() {
            self.nodes[node].up = true;
            self.nodes[node].skew = self.new_skew();
        }
    }
}

const MAX_NODES: usize = 7;
