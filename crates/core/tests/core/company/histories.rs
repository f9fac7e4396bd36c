//! Histories of several openings of one file and of a peer, drawn from a seed.

use std::collections::BTreeMap;

use vectr_core::{Target, VectrDB};
use vectr_delta::Timestamp;

use super::{numbers, own_sites};
use crate::support::sync::sync;
use crate::support::{Draw, Scratch, assert_sound, delete, id, payload, put, shard, shown};

const OPENINGS: usize = 3;

/// What the file must show.
type Shown = BTreeMap<String, Option<Vec<f32>>>;

/// Several openings, of which some are closed for a while.
struct History<'s> {
    scratch: &'s Scratch,
    openings: [Option<VectrDB>; OPENINGS],
    draw: Draw,
    expected: Shown,
    /// The next value that is written.
    next: f32,
}

impl History<'_> {
    fn opening(&mut self) -> (usize, VectrDB) {
        let at = self.draw.below(OPENINGS);
        let scratch = self.scratch;
        (at, self.openings[at].get_or_insert_with(|| scratch.open("a.db")).clone())
    }

    fn name(&mut self) -> String {
        format!("v{}", self.draw.below(12))
    }

    fn value(&mut self) -> Vec<f32> {
        self.next += 1.0;
        vec![self.next]
    }

    fn step(&mut self, peer: &VectrDB) {
        let (at, db) = self.opening();
        let name = self.name();
        match self.draw.below(16) {
            0..6 => {
                let value = self.value();
                put(&db, &name, &value);
                self.expected.insert(name, Some(value));
            }
            6..8 => {
                delete(&db, &name);
                self.expected.insert(name, None);
            }
            8..10 => self.transaction(&db),
            10 => {
                let value = self.value();
                put(peer, &format!("peer {name}"), &value);
                self.expected.insert(format!("peer {name}"), Some(value));
            }
            11..13 => {
                sync(&shard(), (&db, 1), (peer, 2), Timestamp::default());
            }
            13 => {
                db.await_durable(db.commit_no()).unwrap();
            }
            14 => self.openings[at].take().unwrap().close().unwrap(),
            _ => {
                let expected = self.expected.get(&name).cloned().flatten();
                assert_eq!(shown(&db, &name), expected, "{name}");
            }
        }
    }

    /// Several writes that others see together, or never.
    fn transaction(&mut self, db: &VectrDB) {
        let transaction = db.begin().unwrap();
        let (of, mut written) = (shard(), Shown::new());
        for _ in 0..=self.draw.below(4) {
            let (name, value) = (self.name(), self.value());
            let inside = Target { shard: &of, transaction: Some(transaction) };
            db.upsert(inside, &id(&name), payload(&value)).unwrap();
            written.insert(name, Some(value));
        }
        let (_, other) = self.opening();
        for name in written.keys() {
            let before = self.expected.get(name).cloned().flatten();
            assert_eq!(shown(&other, name), before, "{name} before the commit");
        }
        if self.draw.below(3) == 0 {
            db.rollback(transaction).unwrap();
        } else {
            db.commit(transaction).unwrap();
            self.expected.extend(written);
        }
    }
}

#[test]
fn whatever_openings_do_in_turn_they_are_one_node() {
    for seed in 0..15 {
        let scratch = Scratch::new();
        let peer = scratch.open("peer.db");
        let mut history = History {
            scratch: &scratch,
            openings: Default::default(),
            draw: Draw(seed),
            expected: Shown::new(),
            next: 0.0,
        };
        for _ in 0..60 {
            history.step(&peer);
        }
        let (_, db) = history.opening();
        sync(&shard(), (&db, 1), (&peer, 2), Timestamp::default());
        for (name, value) in &history.expected {
            for of in [&db, &peer] {
                assert_eq!(&shown(of, name), value, "seed {seed}: {name}");
            }
        }
        assert_eq!(db.digest(&shard()).unwrap(), peer.digest(&shard()).unwrap(), "seed {seed}");
        // No number of this site or of its changelog was given out twice.
        let [rows, dots, changes] = numbers(
            &db,
            "SELECT count(*), count(DISTINCT site || ' ' || seq), count(DISTINCT change_id) FROM row",
        );
        assert_eq!((dots, changes), (rows, rows), "seed {seed}");
        assert_eq!(own_sites(&db), 1, "seed {seed}");
        assert_sound(&db);
    }
}
