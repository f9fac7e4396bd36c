//! What two databases do on the failing disk. A step that fails is left out, as by a program that reports the error and
//! goes on: what was called durable before and after it stands all the same.

use std::path::PathBuf;

use rusqlite::Connection;
use vectr_core::{Config, CoreError, VectrDB};
use vectr_delta::ShardId;

use super::diary::Diary;
use super::pair::sync;

pub(super) const NODES: [&str; 2] = ["a", "b"];

#[test]
#[ignore = "on a disk that fails"]
fn told() {
    let folder = PathBuf::from(std::env::var_os("STORY_FOLDER").expect("started by the crash matrix"));
    let mut story =
        Story { diary: Diary::begin(&folder.join("diary")), folder, dbs: [None, None], attempts: 0 };
    let [a, b] = [0, 1];
    story.write(a, 0..8);
    story.write(b, 4..12);
    story.make_durable(a);
    story.sync();
    story.delete(a, 0..2);
    story.write(b, 1..3);
    story.make_durable(b);
    story.write(a, 12..16);
    story.sync();
    // The proof of continuity goes, as with a restart of the machine: a new site with the next write.
    story.leave(b);
    let _ = std::fs::remove_dir_all(runtime(&story.folder.join("runtime"), NODES[b]));
    story.write(b, 14..20);
    story.make_durable(b);
    story.sync();
    // The same life goes on, from an emptied log.
    story.leave(a);
    story.write(a, 6..10);
    story.delete(b, 5..7);
    story.sync();
    // Each node has what the other one loses here, if this sync comes to its end.
    if story.sync() {
        story.lose(a, 12..14);
        story.damage(b, 8..9);
    }
    story.write(a, 22..24);
    story.write(b, 24..26);
    story.sync();
    story.write(a, 20..22);
    story.make_durable(a);
    story.leave(a);
    // The other one is killed.
    std::mem::forget(story);
}

/// Opens a database of the story, here or where a copy of it lies.
pub(super) fn open(
    files: &std::path::Path,
    runtime_dir: &std::path::Path,
    node: &str,
) -> Result<VectrDB, CoreError> {
    let mut config = Config::file(files.join(format!("{node}.db")));
    config.shard(shard()).runtime_dir(runtime(runtime_dir, node));
    VectrDB::new(config)
}

pub(super) fn shard() -> ShardId {
    ShardId::new("notes").unwrap()
}

pub(super) fn name(vector: u64) -> String {
    format!("v{vector}")
}

fn runtime(folder: &std::path::Path, node: &str) -> PathBuf {
    folder.join(node)
}

struct Story {
    folder: PathBuf,
    diary: Diary,
    dbs: [Option<VectrDB>; 2],
    attempts: u64,
}

impl Story {
    fn write(&mut self, node: usize, vectors: std::ops::Range<u64>) {
        let number = self.begin("puts", vectors.clone());
        self.finish(node, number, |db| {
            db.transaction(|transaction| {
                let shard = transaction.shard(shard())?;
                // The first component says which attempt this is.
                let components: Vec<f32> = (0..64).map(|at| (number + at) as f32).collect();
                vectors.map(name).try_for_each(|id| shard.upsert(id.as_str(), components.as_slice()))
            })
        });
    }

    fn delete(&mut self, node: usize, vectors: std::ops::Range<u64>) {
        let number = self.begin("deletes", vectors.clone());
        self.finish(node, number, |db| {
            db.transaction(|transaction| {
                let shard = transaction.shard(shard())?;
                vectors.map(name).try_for_each(|id| shard.delete(id.as_str()).map(|_| ()))
            })
        });
    }

    fn begin(&mut self, kind: &str, vectors: std::ops::Range<u64>) -> u64 {
        self.attempts += 1;
        let ids: Vec<String> = vectors.map(name).collect();
        self.diary.note(&format!("tried {kind} {} {}", self.attempts, ids.join(" ")));
        self.attempts
    }

    fn finish(&mut self, node: usize, number: u64, work: impl FnOnce(&VectrDB) -> Result<(), CoreError>) {
        if self.with(node, work).is_some() {
            self.diary.note(&format!("done {} {number}", NODES[node]));
        }
    }

    fn make_durable(&mut self, node: usize) {
        if self.with(node, |db| db.await_durable(db.commit_no())).is_some() {
            self.diary.note(&format!("durable {}", NODES[node]));
        }
    }

    /// Whether both nodes now hold the same.
    fn sync(&mut self) -> bool {
        for node in [0, 1] {
            self.with(node, |_| Ok(()));
        }
        let [Some(a), Some(b)] = &self.dbs else { return false };
        let Some(repaired) = sync(&shard(), a, b) else { return false };
        if repaired > 0 {
            self.diary.note(&format!("repaired {repaired}"));
        }
        self.diary.note("shared");
        true
    }

    /// Another program removes rows.
    fn lose(&mut self, node: usize, vectors: std::ops::Range<u64>) {
        self.alter(node, "DELETE FROM row", vectors);
    }

    /// Another program changes what rows hold.
    fn damage(&mut self, node: usize, vectors: std::ops::Range<u64>) {
        self.alter(node, "UPDATE row SET vector = zeroblob(256)", vectors);
    }

    fn alter(&mut self, node: usize, sql: &str, vectors: std::ops::Range<u64>) {
        self.leave(node);
        let ids: Vec<String> = vectors.map(name).collect();
        self.diary.note(&format!("altered {} {}", NODES[node], ids.join(" ")));
        let sql = format!("{sql} WHERE id IN ('{}')", ids.join("', '"));
        // If this fails there is nothing to repair.
        let path = self.folder.join("watched").join(format!("{}.db", NODES[node]));
        let _ = Connection::open(path).and_then(|other| other.execute_batch(&sql));
    }

    fn leave(&mut self, node: usize) {
        if let Some(db) = self.dbs[node].take()
            && db.close().is_ok()
        {
            self.diary.note(&format!("durable {}", NODES[node]));
        }
    }

    /// Opens the database if it is not open. After an error it is closed, which an error of a disk asks for.
    fn with<T>(&mut self, node: usize, work: impl FnOnce(&VectrDB) -> Result<T, CoreError>) -> Option<T> {
        if self.dbs[node].is_none() {
            let files = self.folder.join("watched");
            self.dbs[node] = open(&files, &self.folder.join("runtime"), NODES[node]).ok();
        }
        let result = self.dbs[node].as_ref().map(work)?;
        if result.is_err() {
            self.leave(node);
        }
        result.ok()
    }
}
