//! Databases in a temporary folder, and sessions driven against each other in one thread.
#![allow(unreachable_pub, reason = "the modules of this program use it")]

pub mod cluster;
pub mod store;
pub mod sync;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tempfile::TempDir;
use vectr_core::{Clock, Config, Target, VectrDB};
use vectr_delta::{Fingerprint, Metadata, Payload, ShardId, Timestamp, VectorId};

/// `SplitMix64` (Steele, Lea and Flood, 2014).
pub struct Draw(pub u64);

impl Draw {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

/// A file and a database in memory: both behave alike.
pub fn both(test: impl Fn(&VectrDB)) {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    test(&db);
    db.close().unwrap();
    test(&VectrDB::new(Config::default().shard(shard())).unwrap());
}

/// A folder for databases, and one for what is kept outside of it.
pub struct Scratch {
    folder: TempDir,
    /// In volatile memory.
    runtime: TempDir,
}

impl Scratch {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), runtime: tempfile::tempdir_in("/dev/shm").unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    pub fn runtime_dir(&self) -> PathBuf {
        self.runtime.path().join("vectr")
    }

    pub fn config(&self, name: &str) -> Config {
        let mut config = Config::file(self.path(name));
        config.runtime_dir(self.runtime_dir()).shard(shard());
        config
    }

    pub fn open(&self, name: &str) -> VectrDB {
        VectrDB::new(self.config(name)).unwrap()
    }

    pub fn open_at(&self, name: &str, clock: &Wall) -> VectrDB {
        VectrDB::new(self.config(name).clock(clock.clock())).unwrap()
    }
}

/// A clock that stands still until it is set.
#[derive(Clone)]
pub struct Wall(Arc<AtomicU64>);

impl Wall {
    pub const START: u64 = 1_700_000_000_000_000;

    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(Self::START)))
    }

    pub fn set(&self, micros: u64) {
        self.0.store(micros, Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let now = Arc::clone(&self.0);
        Clock::new(move || Timestamp::from_micros(now.load(Ordering::SeqCst)))
    }
}

pub fn shard() -> ShardId {
    ShardId::new("notes").unwrap()
}

pub fn id(text: &str) -> VectorId {
    VectorId::new(text).unwrap()
}

pub fn payload(components: &[f32]) -> Payload {
    Payload::from_components(components, None).unwrap()
}

pub fn described(components: &[f32], metadata: &str) -> Payload {
    Payload::from_components(components, Some(Metadata::new(metadata).unwrap())).unwrap()
}

pub fn bytes(components: &[f32]) -> Bytes {
    payload(components).vector().clone()
}

pub fn peer(number: u8) -> Fingerprint {
    Fingerprint::new([number; 32])
}

/// Writes a vector without asking whether it is there.
pub fn put(db: &VectrDB, name: &str, components: &[f32]) {
    db.upsert(Target::shard(&shard()), &id(name), payload(components)).unwrap();
}

pub fn delete(db: &VectrDB, name: &str) -> bool {
    db.delete(Target::shard(&shard()), &id(name)).unwrap()
}

/// What the shard shows of a vector.
pub fn shown(db: &VectrDB, name: &str) -> Option<Vec<f32>> {
    let entry = db.get(Target::shard(&shard()), &id(name)).unwrap();
    entry.map(|entry| vectr_delta::components(&entry.vector).collect())
}

/// `PRAGMA integrity_check` says ok.
pub fn assert_sound(db: &VectrDB) {
    let rows = db.query("PRAGMA integrity_check", vec![]).unwrap().rows;
    assert_eq!(rows, [[vectr_core::Value::Text("ok".into())]]);
}

/// Copies a closed database, or whatever there is of an open one.
pub fn copy_database(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        if name(from).exists() {
            std::fs::copy(name(from), name(to)).unwrap();
        } else {
            let _ = std::fs::remove_file(name(to));
        }
    }
}
