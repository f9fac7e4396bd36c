//! Histories of writes, syncs, restarts and choices by ids of any age, against what each id showed.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::cluster::Cluster;
use crate::support::{Draw, delete, payload, put, shard};
use rusqlite::Connection;
use vectr_core::{StoredConflict, VectrDB};
use vectr_delta::{ConflictId, Dot, LocalWrite, Sibling, Strategy, VectorId};

const NODES: usize = 3;
const VECTORS: [&str; 2] = ["a", "b"];

struct History {
    draw: Draw,
    cluster: Cluster,
    /// All ids ever shown, on any node.
    shown: Vec<(ConflictId, VectorId, BTreeSet<Dot>)>,
    /// Those shown on a node since the vector was last settled there.
    known: Vec<BTreeMap<VectorId, BTreeSet<String>>>,
    value: f32,
    kept: usize,
    settled: usize,
    refused: usize,
}

impl History {
    fn new(seed: u64) -> Self {
        let cluster = Cluster::new(NODES);
        for db in &cluster.nodes {
            db.set_strategy(&shard(), Strategy::Manual).unwrap();
        }
        let known = vec![BTreeMap::new(); NODES];
        let (draw, shown) = (Draw(seed), Vec::new());
        Self { draw, cluster, shown, known, value: 0.0, kept: 0, settled: 0, refused: 0 }
    }

    fn step(&mut self) {
        let node = self.draw.below(NODES);
        let name = VECTORS[self.draw.below(VECTORS.len())];
        self.value += 1.0;
        match self.draw.below(12) {
            0..=1 => put(&self.cluster.nodes[node], name, &[self.value]),
            2 => drop(delete(&self.cluster.nodes[node], name)),
            3 => self.cluster.reopen(node),
            4..=7 => self.cluster.sync(node, (node + 1 + self.draw.below(NODES - 1)) % NODES),
            _ if self.shown.is_empty() => {}
            _ => self.choose(node),
        }
        self.look();
    }

    fn choose(&mut self, node: usize) {
        let (conflict, vector, shown) = self.draw_id(node);
        let db = &self.cluster.nodes[node];
        let before = standing(db, &vector);
        let write = match self.draw.below(4) {
            0 => LocalWrite::Delete,
            _ => LocalWrite::Put(payload(&[self.value])),
        };
        let deleted = matches!(write, LocalWrite::Delete);
        let known = self.knows(node, &vector, conflict);
        match db.resolve_conflict(&conflict, Some((&shard(), &vector)), write) {
            Ok(left) => {
                let after = left.as_ref().map(dots).unwrap_or_default();
                let untouched: BTreeSet<Dot> = before.difference(&shown).copied().collect();
                assert!(untouched.len() < before.len(), "nothing that stood was shown");
                assert!(after.is_disjoint(&shown));
                if left.is_none() {
                    // Deletes at one moment differ in nothing.
                    assert!(untouched.is_empty() || deleted);
                    self.settled += 1;
                } else {
                    let new: Vec<&Dot> = after.difference(&untouched).collect();
                    assert!(untouched.is_subset(&after) && new.len() == 1 && new[0].site == db.site());
                    self.kept += 1;
                }
                assert_eq!(standing(db, &vector), after);
            }
            Err(error) => {
                assert_eq!(error.code(), "ERR_NOT_FOUND", "{error}");
                assert!(!known || before.is_disjoint(&shown), "a known id was refused");
                assert_eq!(standing(db, &vector), before);
                self.refused += 1;
            }
        }
    }

    /// Mostly one that the node showed since it last settled the vector; now and then any that was ever shown anywhere.
    fn draw_id(&mut self, node: usize) -> (ConflictId, VectorId, BTreeSet<Dot>) {
        let known = self.shown.iter().filter(|(id, vector, _)| self.knows(node, vector, *id));
        let known: Vec<_> = known.cloned().collect();
        if known.is_empty() || self.draw.below(4) == 0 {
            return self.shown[self.draw.below(self.shown.len())].clone();
        }
        known[self.draw.below(known.len())].clone()
    }

    fn knows(&self, node: usize, vector: &VectorId, id: ConflictId) -> bool {
        self.known[node].get(vector).is_some_and(|ids| ids.contains(&id.to_string()))
    }

    /// Takes down what every node shows.
    fn look(&mut self) {
        for (node, db) in self.cluster.nodes.iter().enumerate() {
            let mut listed = BTreeMap::new();
            for conflict in db.pending_conflicts(Some(&shard())).unwrap() {
                let known = self.known[node].remove(&conflict.id).unwrap_or_default();
                let known: BTreeSet<String> =
                    known.into_iter().chain([conflict.conflict.to_string()]).collect();
                listed.insert(conflict.id.clone(), known);
                if !self.shown.iter().any(|(id, ..)| *id == conflict.conflict) {
                    self.shown.push((conflict.conflict, conflict.id.clone(), dots(&conflict)));
                }
            }
            self.known[node] = listed;
        }
    }

    /// Everyone comes to hold the same, and whatever is left is settled on one node.
    fn end(mut self) {
        self.cluster.settle();
        self.look();
        let listed = |db: &VectrDB| -> Vec<String> {
            let mut ids: Vec<String> =
                db.conflicts(None).unwrap().iter().map(|conflict| conflict.conflict.to_string()).collect();
            ids.sort();
            ids
        };
        assert!(self.cluster.nodes.windows(2).all(|pair| listed(&pair[0]) == listed(&pair[1])));
        for conflict in self.cluster.nodes[0].conflicts(None).unwrap() {
            let left = self.cluster.nodes[0].resolve_conflict(&conflict.conflict, None, LocalWrite::Delete);
            assert!(left.unwrap().is_none());
        }
        self.cluster.settle();
        for (number, db) in self.cluster.nodes.iter().enumerate() {
            assert!(db.conflicts(None).unwrap().is_empty());
            db.close().unwrap();
            let connection = Connection::open(self.cluster.scratch.path(&format!("{number}.db"))).unwrap();
            let records: i64 =
                connection.query_row("SELECT count(*) FROM conflict", [], |row| row.get(0)).unwrap();
            assert_eq!(records, 0);
        }
    }
}

fn dots(conflict: &StoredConflict) -> BTreeSet<Dot> {
    conflict.row.siblings().iter().map(Sibling::dot).collect()
}

/// The versions in conflict; none where the vector is settled.
fn standing(db: &VectrDB, vector: &VectorId) -> BTreeSet<Dot> {
    let conflicts = db.conflicts(Some(&shard())).unwrap();
    conflicts.iter().find(|conflict| conflict.id == *vector).map(dots).unwrap_or_default()
}

#[test]
fn every_choice_supersedes_exactly_what_its_id_showed() {
    let (mut kept, mut settled, mut refused) = (0, 0, 0);
    for seed in 0..16 {
        println!("seed {seed}");
        let mut history = History::new(seed);
        (0..100).for_each(|_| history.step());
        kept += history.kept;
        settled += history.settled;
        refused += history.refused;
        history.end();
    }
    println!("{settled} settled, {kept} opened again, {refused} refused");
    assert!(kept > 0 && settled > 0 && refused > 0, "the histories do not reach all that can happen");
}
