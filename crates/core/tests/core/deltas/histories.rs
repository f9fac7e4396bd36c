//! Histories of databases that hear of each other by deltas alone, or by sessions as well: concurrent writes, choices
//! between versions, restarts, clocks that step, deltas that come late, twice and in another order.

use std::collections::BTreeMap;

use crate::support::sync::sync;
use crate::support::{Draw, Scratch, Wall, assert_sound, delete, payload, put, shard, shown};
use vectr_core::{DeltaScope, Target, VectrDB};
use vectr_delta::changes::decode_rows;
use vectr_delta::{LocalWrite, NodeName, Timestamp};

struct History {
    draw: Draw,
    scratch: Scratch,
    walls: Vec<Wall>,
    nodes: Vec<VectrDB>,
    /// The timestamp of the last delta from a node for another one.
    since: BTreeMap<(usize, usize), u64>,
    /// The last delta that a node has got from another one.
    got: BTreeMap<(usize, usize), Vec<u8>>,
    /// Deltas on their way: from, to, bytes.
    flight: Vec<(usize, usize, Vec<u8>)>,
    /// What each vector holds that only one node writes.
    own: BTreeMap<String, Option<f32>>,
    value: f32,
    sessions: bool,
    echoes: usize,
}

impl History {
    fn new(seed: u64, count: usize, sessions: bool) -> Self {
        let scratch = Scratch::new();
        let walls: Vec<Wall> = (0..count).map(|_| Wall::new()).collect();
        let mut history = Self {
            draw: Draw(seed),
            scratch,
            walls,
            nodes: Vec::new(),
            since: BTreeMap::new(),
            got: BTreeMap::new(),
            flight: Vec::new(),
            own: BTreeMap::new(),
            value: 0.0,
            sessions,
            echoes: 0,
        };
        for number in 0..count {
            history.nodes.push(history.open(number));
        }
        history
    }

    fn open(&self, number: usize) -> VectrDB {
        let node = Some(NodeName::new(&format!("node-{number}")).unwrap());
        let mut config = self.scratch.config(&format!("{number}.db"));
        config.node = node;
        VectrDB::new(config.clock(self.walls[number].clock())).unwrap()
    }

    fn step(&mut self) {
        let node = self.draw.below(self.nodes.len());
        let other = (node + 1 + self.draw.below(self.nodes.len() - 1)) % self.nodes.len();
        match self.draw.below(20) {
            0..=2 => self.write_own(node),
            3..=5 => self.write_shared(node),
            6 => self.settle_one(node),
            7 => self.write_many(node),
            8 => self.restart(node),
            9 => {
                // Two clocks are never more than a minute apart.
                let offset = self.draw.below(50_000_000) as u64;
                self.walls[node].set(Wall::START + offset);
            }
            10..=13 => self.send(node, other),
            14 if self.sessions => self.session(node, other),
            _ => self.deliver(),
        }
    }

    fn write_own(&mut self, node: usize) {
        let name = format!("own-{node}-{}", self.draw.below(4));
        self.value += 1.0;
        if self.draw.below(4) == 0 {
            delete(&self.nodes[node], &name);
            self.own.insert(name, None);
        } else {
            put(&self.nodes[node], &name, &[self.value]);
            self.own.insert(name, Some(self.value));
        }
    }

    fn write_shared(&mut self, node: usize) {
        let name = ["x", "y", "z"][self.draw.below(3)];
        self.value += 1.0;
        if self.draw.below(4) == 0 {
            delete(&self.nodes[node], name);
        } else {
            put(&self.nodes[node], name, &[self.value]);
        }
    }

    fn write_many(&mut self, node: usize) {
        let entries = (0..5).map(|_| (None, payload(&[0.5]))).collect();
        self.nodes[node].insert_batch(Target::shard(&shard()), entries).unwrap();
    }

    fn settle_one(&mut self, node: usize) {
        let conflicts = self.nodes[node].conflicts(None).unwrap();
        let Some(conflict) = conflicts.first() else { return };
        let id = conflict.conflict;
        // Another one comes between the list and the choice.
        if self.draw.below(2) == 0 {
            self.deliver();
        }
        self.value += 1.0;
        match self.nodes[node].resolve_conflict(&id, None, LocalWrite::Put(payload(&[self.value]))) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.code(), "ERR_NOT_FOUND"),
        }
    }

    fn restart(&mut self, node: usize) {
        self.nodes[node].close().unwrap();
        self.nodes[node] = self.open(node);
    }

    fn session(&self, a: usize, b: usize) {
        let now = Timestamp::from_micros(Wall::START + 25_000_000);
        sync(&shard(), (&self.nodes[a], a as u8), (&self.nodes[b], b as u8), now);
    }

    fn send(&mut self, from: usize, to: usize) {
        let bytes = self.compute(from, to);
        self.flight.push((from, to, bytes));
    }

    fn compute(&mut self, from: usize, to: usize) -> Vec<u8> {
        let answer_to = self.got.get(&(to, from)).filter(|_| self.draw.below(2) == 0).cloned();
        let max_vectors = (self.draw.below(4) == 0).then(|| 1 + self.draw.below(3));
        let since = self.since.entry((from, to)).or_default();
        let mut scope = DeltaScope::default();
        scope.max_vectors = max_vectors;
        scope.answer_to = answer_to;
        let bytes = self.nodes[from].compute_delta(&shard(), *since, &scope).unwrap();
        let timestamp = u64::from_le_bytes(bytes[6..14].try_into().unwrap());
        assert!(timestamp >= *since);
        *since = timestamp;
        bytes
    }

    fn deliver(&mut self) {
        if self.flight.is_empty() {
            return;
        }
        let at = self.draw.below(self.flight.len());
        let (from, to, bytes) = self.flight[at].clone();
        if self.draw.below(4) > 0 {
            self.flight.swap_remove(at);
        }
        self.apply(from, to, bytes);
    }

    fn apply(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        let applied = self.nodes[to].apply_delta(&shard(), &bytes).unwrap();
        self.echoes += (applied.received - applied.changed) as usize;
        self.got.insert((from, to), bytes);
    }

    /// Everything arrives, and then everyone tells everyone until nobody has anything to say.
    fn come_to_rest(&mut self) {
        while !self.flight.is_empty() {
            self.deliver();
        }
        let pairs: Vec<(usize, usize)> = (0..self.nodes.len())
            .flat_map(|from| (0..self.nodes.len()).map(move |to| (from, to)))
            .filter(|(from, to)| from != to)
            .collect();
        let mut quiet = 0;
        for _ in 0..1_000 {
            quiet += 1;
            for (from, to) in &pairs {
                let bytes = self.compute(*from, *to);
                if !decode_rows(&bytes).unwrap().rows.is_empty() {
                    quiet = 0;
                }
                self.apply(*from, *to, bytes);
            }
            // An answer may be empty where more is left, behind what it leaves out.
            if quiet == 3 {
                return;
            }
        }
        panic!("they never came to rest");
    }

    fn check(&self, seed: u64) {
        let digests: Vec<_> = self.nodes.iter().map(|db| db.digest(&shard()).unwrap()).collect();
        assert!(digests.iter().all(|digest| *digest == digests[0]), "seed {seed}: {digests:?}");
        for db in &self.nodes {
            for (name, value) in &self.own {
                assert_eq!(shown(db, name), value.map(|value| vec![value]), "seed {seed}: {name}");
            }
            assert_sound(db);
        }
    }
}

fn run(seeds: std::ops::Range<u64>, count: usize, sessions: bool) {
    let mut echoes = 0;
    for seed in seeds {
        let mut history = History::new(seed, count, sessions);
        for _ in 0..120 {
            history.step();
        }
        history.come_to_rest();
        history.check(seed);
        echoes += history.echoes;
    }
    println!("{echoes} rows came that changed nothing");
    assert!(echoes > 0);
}

#[test]
fn two_databases_lose_nothing_and_end_equal() {
    run(0..30, 2, false);
}

#[test]
fn three_databases_lose_nothing_and_end_equal() {
    run(100..125, 3, false);
}

#[test]
fn sessions_between_the_deltas_change_nothing_of_that() {
    run(200..225, 3, true);
}
