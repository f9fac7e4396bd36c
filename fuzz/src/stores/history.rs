use std::cell::RefCell;

use vectr_core::{CoreError, DeltaScope, Target, VectrDB};
use vectr_delta::{LocalWrite, Metadata, Payload, ShardId, Strategy, VectorId};

use super::pair::{Side, run as run_session, sync};
use super::reused::{Reused, Wall, assert_sound, rows};
use crate::bounds::apart;
use crate::input::Input;

/// Three stores with one history, in other orders and partitions: writes, deletions and choices anywhere, syncs and deltas
/// between any two, some of them cut.
///
/// Once all have synced with all, they hold the same rows, show the same and are in the same conflicts. In the input:
/// `u8 strategy | operations`.
pub fn run(data: &[u8]) {
    STORES.with_borrow_mut(|stores| {
        let reused = stores.get_or_insert_with(|| apart(|| Reused::open(NODES)));
        let shard = reused.serve(data);
        let sites: Vec<_> = reused.nodes.iter().map(VectrDB::site).collect();
        let mut input = Input(data);
        let strategy = Strategy::ALL[usize::from(input.byte()) % Strategy::ALL.len()];
        let world = World { nodes: &reused.nodes, shard: &shard, wall: &reused.wall };
        for _ in 0..OPERATIONS {
            if input.is_empty() {
                break;
            }
            world.act(&mut input);
        }
        world.settle(strategy);
        let renewed = reused.nodes.iter().map(VectrDB::site).collect::<Vec<_>>() != sites;
        if reused.is_worn(renewed) {
            reused.verify();
            *stores = None;
        }
    });
}

struct World<'w> {
    nodes: &'w [VectrDB],
    shard: &'w ShardId,
    wall: &'w Wall,
}

impl World<'_> {
    /// `u8 node and operation | u8 vector, or other node | u8 value`.
    fn act(&self, input: &mut Input<'_>) {
        let (first, second, value) = (input.byte(), input.byte(), input.byte());
        let number = usize::from(first) % NODES;
        let other = (number + 1 + usize::from(second) % (NODES - 1)) % NODES;
        let (db, id) = (&self.nodes[number], vector(second % IDS));
        let target = Target::shard(self.shard);
        match usize::from(first) / NODES % 12 {
            0..=2 => accept(db.upsert(target, &id, payload(value)), &[]),
            3 => accept(db.insert(target, Some(id), payload(value)).map(drop), &["ERR_EXISTS"]),
            4 => accept(db.delete(target, &id).map(drop), &[]),
            5 => accept(self.change_metadata(db, &id, value), &["ERR_NOT_FOUND", "ERR_DIMENSIONS"]),
            6 => self.wall.advance(u64::from(value) * 1_000),
            7 => sync(self.shard, self.nodes, (number, other), self.wall.now()),
            8 | 9 => self.cut_sync(number, other, usize::from(value)),
            10 => self.exchange_delta(number, other, value),
            _ => self.choose(db, value),
        }
    }

    fn change_metadata(&self, db: &VectrDB, id: &VectorId, value: u8) -> Result<(), CoreError> {
        let metadata = Metadata::new(&format!("{{\"k{}\":{value}}}", value % 3)).expect("it is an object");
        db.shard(self.shard.clone())?.set_metadata(id.clone(), metadata)
    }

    fn cut_sync(&self, a: usize, b: usize, after: usize) {
        let clock = self.wall.now();
        let mut left = Side::new((&self.nodes[a], self.shard), b as u8, clock, 0);
        let mut right = Side::new((&self.nodes[b], self.shard), a as u8, clock, 0);
        run_session(&mut left, &mut right, after % 16);
    }

    fn exchange_delta(&self, from: usize, to: usize, since: u8) {
        let mut scope = DeltaScope::default();
        scope.max_vectors(usize::from(since % 4) + 1);
        let delta = self.nodes[from].compute_delta(self.shard, 0, &scope);
        let applied = delta.and_then(|delta| self.nodes[to].apply_delta(self.shard, &delta));
        accept(applied, &["ERR_LIMIT", "ERR_NOT_FOUND"]);
    }

    fn choose(&self, db: &VectrDB, value: u8) {
        let conflicts = db.conflicts(Some(self.shard)).expect("they can be read");
        let Some(conflict) = conflicts.get(usize::from(value) % conflicts.len().max(1)) else { return };
        let write = if value & 1 == 0 { LocalWrite::Delete } else { LocalWrite::Put(payload(value)) };
        db.resolve_conflict(&conflict.conflict, None, write).expect("the conflict was just listed");
    }

    fn settle(&self, strategy: Strategy) {
        for db in self.nodes {
            db.set_strategy(self.shard, strategy).expect("any strategy will do");
        }
        // The middle one takes from both, and gives back.
        for pair in [(0, 1), (1, 2), (0, 1)] {
            sync(self.shard, self.nodes, pair, self.wall.now());
        }
        let (first, others) = self.nodes.split_first().expect("there are several");
        assert_sound(first, self.shard);
        for other in others {
            assert_sound(other, self.shard);
            self.assert_equal(first, other);
        }
    }

    fn assert_equal(&self, one: &VectrDB, other: &VectrDB) {
        let (left, right) = (rows(one, self.shard), rows(other, self.shard));
        let versions = |rows: &[vectr_delta::VectorRow]| -> Vec<_> {
            rows.iter().map(|entry| (entry.id.clone(), entry.row.siblings().to_vec())).collect()
        };
        assert_eq!(versions(&left), versions(&right), "the nodes hold other versions");
        assert_eq!(one.digest(self.shard).ok(), other.digest(self.shard).ok());
        let conflicts = |db: &VectrDB| -> Vec<_> {
            let mut listed = db.conflicts(Some(self.shard)).expect("they can be read");
            listed.sort_by(|one, other| one.id.cmp(&other.id));
            listed.into_iter().map(|conflict| (conflict.id, conflict.conflict)).collect()
        };
        assert_eq!(conflicts(one), conflicts(other), "the nodes are in other conflicts");
        for id in (0..IDS).map(vector) {
            let shown = |db: &VectrDB| db.get(Target::shard(self.shard), &id).expect("it can be read");
            let (left, right) = (shown(one), shown(other));
            let parts = |entry: vectr_core::Entry| (entry.vector, entry.metadata);
            assert_eq!(left.map(parts), right.map(parts), "the nodes show another {id}");
        }
    }
}

/// Nothing but these codes may come of it.
fn accept<T>(done: Result<T, CoreError>, codes: &[&str]) {
    if let Err(error) = done {
        assert!(codes.contains(&error.code()), "{} {error}", error.code());
    }
}

fn vector(number: u8) -> VectorId {
    VectorId::new(&format!("v{number}")).expect("a short name")
}

fn payload(value: u8) -> Payload {
    let metadata = (value & 1 == 1).then(|| Metadata::new(&format!("{{\"k{}\":{value}}}", value % 3)));
    let metadata = metadata.transpose().expect("it is an object");
    Payload::from_components(&[f32::from(value), 1.0], metadata).expect("finite")
}

thread_local! {
    static STORES: RefCell<Option<Reused>> = const { RefCell::new(None) };
}

const NODES: usize = 3;
const IDS: u8 = 5;
const OPERATIONS: usize = 24;
