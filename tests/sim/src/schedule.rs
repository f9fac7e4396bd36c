use vectr_delta::{LocalWrite, Metadata, Payload, ShardWrite, VectorId, write_local};

use crate::node::SECOND;
use crate::strike::Strike;
use crate::transaction::Transaction;
use crate::world::{Event, World};

impl World {
    /// Draws the next action, and the time of the one after it.
    pub(crate) fn act(&mut self) {
        if self.acts_left == 0 {
            return;
        }
        self.acts_left -= 1;
        let pause = self.random.between(10_000, 800_000);
        self.schedule(pause, Event::Act);
        let node = self.random.index(self.nodes.len());
        if self.climate.splits > 0 && self.random.one_in(80) {
            self.climate.splits -= 1;
            return self.split_life(node);
        }
        if self.climate.many_sites && self.random.one_in(30) {
            let openings = self.random.between(1, 60);
            return self.open_often(node, openings);
        }
        match self.random.below(1_000) {
            0..430 => {
                let writes = self.random.between(1, 4);
                self.write(node, self.nodes[node].life, writes);
            }
            430..870 => self.open_any(node),
            870..900 => self.back_up(node),
            900..916 => self.crash(node),
            916..932 => self.cut_power(node),
            932..940 => self.close_and_open(node),
            940..961 if self.climate.tampers => self.tamper(node),
            940..952 => self.restore(node),
            952..961 => self.clone_node(node),
            961..985 if self.climate.wild_clocks => self.nodes[node].skew = self.new_skew(),
            _ => self.check_node(node),
        }
    }

    /// A transaction of local writes.
    pub(crate) fn write(&mut self, node: usize, life: u64, writes: u64) {
        if !self.nodes[node].up || self.nodes[node].life != life || writes == 0 {
            return;
        }
        let shard = self.random.index(self.shards.len());
        let plan: Vec<(VectorId, LocalWrite)> = (0..writes).map(|_| self.new_write(node, shard)).collect();
        let (fuse, wall) = (self.new_fuse(), self.nodes[node].wall(self.now));
        self.note(|| format!("node {node} writes {:?}", plan.iter().map(|(id, _)| id).collect::<Vec<_>>()));
        let result = self.nodes[node].store.transact(shard, fuse, |shard: &mut Transaction| {
            for (id, write) in plan {
                let old = shard.row(&id)?;
                write_local(shard, &id, old.as_ref(), write, wall)?;
            }
            shard.database.own_commit = shard.database.commit_no + 1;
            Ok::<(), crate::database::StoreError>(())
        });
        match result {
            Ok(committed) => {
                self.pay_back(node, writes);
                self.note_race(node);
                self.after_commit(node, true, &committed);
                if self.random.one_in(3) {
                    self.start_barrier(node);
                }
            }
            Err(_) => self.rolled_back(node, Strike::WriteRolledBack),
        }
    }

    fn pay_back(&mut self, node: usize, writes: u64) {
        let owed = self.nodes[node].owed;
        self.nodes[node].owed = owed.saturating_sub(writes);
        if owed > 0 && owed <= writes {
            self.struck.count(Strike::RewrittenAfterRestore);
        }
    }

    /// Counts writes that happen while a session's page is under way.
    fn note_race(&mut self, node: usize) {
        let racing = self.links.iter().flat_map(|link| &link.ends);
        if racing.filter(|end| !end.closed).any(|end| end.node == node) {
            self.struck.count(Strike::RacingWrite);
        }
    }

    fn open_any(&mut self, node: usize) {
        let peer = if self.climate.hub && node > 0 { 0 } else { self.random.index(self.nodes.len()) };
        let shard = self.random.index(self.shards.len());
        let live = self.random.one_in(4);
        if self.may_meet(node, peer) && self.nodes[node].up && self.nodes[peer].up {
            self.open(node, peer, shard, live);
        }
    }

    pub(crate) fn new_write(&mut self, node: usize, shard: usize) -> (VectorId, LocalWrite) {
        let id = match self.random.below(10) {
            0..7 => format!("k{}", self.random.below(self.climate.keys)),
            _ => format!("n{node}-{}", self.random.below(12)),
        };
        let id = VectorId::new(&id).expect("a short id is lawful");
        let held = self.nodes[node].store.current().shards[shard].rows.get(&id);
        if held.is_some_and(|stored| stored.row.is_live()) && self.random.one_in(5) {
            return (id, LocalWrite::Delete);
        }
        let components = [self.random.below(1 << 20) as f32, self.random.below(1 << 20) as f32];
        let metadata = self.random.one_in(3).then(|| {
            Metadata::new(&format!(r#"{{"k{}":{}}}"#, self.random.below(3), self.random.below(100)))
                .expect("an object of one number is lawful")
        });
        let payload = Payload::from_components(&components, metadata).expect("small integers are finite");
        (id, LocalWrite::Put(payload))
    }

    /// Writes `writes` times in the next moments.
    pub(crate) fn write_soon(&mut self, node: usize, writes: u64) {
        let life = self.nodes[node].life;
        for _ in 0..writes {
            let delay = self.random.between(1_000, 2 * SECOND);
            self.schedule(delay, Event::Write { node, life, writes: 1 });
        }
    }
}
