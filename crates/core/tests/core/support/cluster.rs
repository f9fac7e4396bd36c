//! Nodes that all sync with each other.

use std::collections::BTreeSet;

use vectr_core::VectrDB;
use vectr_delta::{NodeName, Timestamp};

use super::sync::sync;
use super::{Scratch, Wall, assert_sound, shard};

pub const NOW: Timestamp = Timestamp::from_micros(Wall::START);

/// Databases in files, named `node-0` and so on, whose clocks stand still.
pub struct Cluster {
    pub scratch: Scratch,
    pub wall: Wall,
    pub nodes: Vec<VectrDB>,
}

impl Cluster {
    pub fn new(count: usize) -> Self {
        let mut cluster = Self { scratch: Scratch::new(), wall: Wall::new(), nodes: Vec::new() };
        for number in 0..count {
            cluster.nodes.push(cluster.open(number));
        }
        cluster
    }

    /// Closes a node and opens its file again.
    pub fn reopen(&mut self, number: usize) {
        self.nodes[number].close().unwrap();
        self.nodes[number] = self.open(number);
    }

    pub fn sync(&self, a: usize, b: usize) {
        sync(&shard(), (&self.nodes[a], a as u8), (&self.nodes[b], b as u8), NOW);
    }

    /// Everyone with everyone, twice round.
    pub fn settle(&self) {
        for _ in 0..2 {
            for a in 0..self.nodes.len() {
                for b in a + 1..self.nodes.len() {
                    self.sync(a, b);
                }
            }
        }
        self.assert_equal();
    }

    pub fn assert_equal(&self) {
        let digests: BTreeSet<String> =
            self.nodes.iter().map(|db| db.digest(&shard()).unwrap().to_string()).collect();
        assert_eq!(digests.len(), 1, "{digests:?}");
        for db in &self.nodes {
            assert_sound(db);
        }
    }

    fn open(&self, number: usize) -> VectrDB {
        let name = NodeName::new(&format!("node-{number}")).unwrap();
        let mut config = self.scratch.config(&format!("{number}.db"));
        VectrDB::new(config.clock(self.wall.clock()).node(name)).unwrap()
    }
}
