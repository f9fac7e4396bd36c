//! A disk that fails once: what counts as durable afterwards survives a power cut all the same.

mod crash_matrix;

use std::path::PathBuf;

use vectr_core::{Config, Target, VectrDB};
use vectr_delta::{Payload, ShardId, VectorId};

use crate::alone::{in_a_process, turn};
use crate::preload;

/// Runs ignored tests of this file on a disk that fails, one after the other, in a process each.
fn on_a_failing_disk(tests: &[&str]) {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let library = preload::library(folder.path(), SOURCE);
    for folder in ["watched", "kept"].map(|name| folder.path().join(name)) {
        std::fs::create_dir(folder).unwrap();
    }
    let variable = |name: &str, value: PathBuf| format!("{name}={}", value.display());
    let variables = [
        variable("LD_PRELOAD", library),
        variable("DISK_WATCHED", folder.path().join("watched")),
        variable("DISK_KEPT", folder.path().join("kept")),
        variable("DISK_FAILS", folder.path().join("fails")),
    ];
    let launcher: Vec<&str> = std::iter::once("env").chain(variables.iter().map(String::as_str)).collect();
    for test in tests {
        in_a_process(&launcher, &format!("disk::{test}"));
    }
}

#[test]
fn what_counts_as_durable_after_a_failed_sync_of_the_log_survives_a_power_cut() {
    on_a_failing_disk(&["a_barrier_fails"]);
}

#[test]
fn what_a_process_left_after_a_failed_sync_is_written_anew_by_the_next_one() {
    on_a_failing_disk(&["a_barrier_fails_and_the_process_ends", "the_next_process_makes_it_durable"]);
}

#[test]
fn a_failed_checkpoint_loses_nothing_and_ends_durability_until_the_database_is_opened_again() {
    on_a_failing_disk(&["a_checkpoint_fails"]);
}

#[test]
fn a_close_that_cannot_sync_says_so() {
    on_a_failing_disk(&["a_close_fails"]);
}

#[test]
#[ignore = "on a disk that fails"]
fn a_barrier_fails() {
    let disk = Disk::here();
    let db = disk.open();
    let first = write(&db, 0..20);
    assert_eq!(db.await_durable(first).unwrap(), first);
    let second = write(&db, 20..40);
    disk.fail("-wal");
    let error = db.await_durable(second).unwrap_err();
    assert!(error.code() == "ERR_STORAGE" && error.to_string().contains("sync again"), "{error}");
    assert_eq!(db.durable_no(), first);
    assert!(disk.rows_after_a_power_cut() >= 20);
    // Before, this claimed the second twenty, which the system had given up.
    assert_eq!(db.await_durable(second).unwrap(), second);
    assert_eq!(disk.rows_after_a_power_cut(), 40);
    db.close().unwrap();
    assert_eq!(disk.rows_after_a_power_cut(), 40);
}

#[test]
#[ignore = "on a disk that fails"]
fn a_barrier_fails_and_the_process_ends() {
    let disk = Disk::here();
    let db = disk.open();
    db.await_durable(write(&db, 0..20)).unwrap();
    let second = write(&db, 20..40);
    disk.fail("-wal");
    db.await_durable(second).unwrap_err();
    // As when the process is killed: nothing is closed.
    std::mem::forget(db);
}

#[test]
#[ignore = "on a disk that fails"]
fn the_next_process_makes_it_durable() {
    let disk = Disk::here();
    let db = disk.open();
    assert!(disk.rows_after_a_power_cut() < 40);
    db.await_durable(db.commit_no()).unwrap();
    assert_eq!(disk.rows_after_a_power_cut(), 40);
    db.close().unwrap();
    assert_eq!(disk.rows_after_a_power_cut(), 40);
}

#[test]
#[ignore = "on a disk that fails"]
fn a_checkpoint_fails() {
    let disk = Disk::here();
    let db = disk.open();
    db.await_durable(write(&db, 0..5_000)).unwrap();
    // A reader keeps checkpoints from copying everything: SQLite does not sync what it copies then.
    let mut reader = db.iterate(db.default_shard(), false).unwrap();
    assert_eq!(reader.next_page(1).unwrap().len(), 1);
    let durable = write(&db, 5_000..20_000);
    db.await_durable(durable).unwrap();
    drop(reader);
    disk.fail(".db");
    let mut rows = 20_000;
    while disk.has_yet_to_fail() {
        write(&db, rows..rows + 500);
        rows += 500;
    }
    // Written on with the checkpointing thread at work: no later checkpoint may start the log anew.
    let newest = write(&db, rows..rows + 15_000);
    rows += 15_000;
    let error = db.await_durable(newest).unwrap_err();
    assert!(error.code() == "ERR_STORAGE" && error.to_string().contains("open it again"), "{error}");
    assert_eq!(db.await_durable(newest).unwrap_err().code(), "ERR_STORAGE");
    assert_eq!(db.await_durable(durable).unwrap(), db.durable_no());
    assert!(disk.rows_after_a_power_cut() >= 20_000);
    assert_eq!(db.close().unwrap_err().code(), "ERR_STORAGE");
    assert!(disk.rows_after_a_power_cut() >= 20_000);
    let db = disk.open();
    assert_eq!(db.count(db.default_shard()).unwrap(), rows);
    db.await_durable(db.commit_no()).unwrap();
    assert_eq!(disk.rows_after_a_power_cut(), rows);
    db.close().unwrap();
    assert_eq!(disk.rows_after_a_power_cut(), rows);
}

#[test]
#[ignore = "on a disk that fails"]
fn a_close_fails() {
    let disk = Disk::here();
    for end in ["-wal", ".db"] {
        let db = disk.open();
        let rows = db.count(db.default_shard()).unwrap();
        db.await_durable(write(&db, rows..rows + 20)).unwrap();
        write(&db, rows + 20..rows + 40);
        disk.fail(end);
        let error = db.close().unwrap_err();
        assert_eq!(error.code(), "ERR_STORAGE", "{error}");
        assert!(disk.rows_after_a_power_cut() >= rows + 20, "{end}");
        let db = disk.open();
        assert_eq!(db.count(db.default_shard()).unwrap(), rows + 40);
        db.close().unwrap();
        assert_eq!(disk.rows_after_a_power_cut(), rows + 40, "{end}");
    }
}

/// The disk that this process was started on.
struct Disk {
    watched: PathBuf,
    kept: PathBuf,
    order: PathBuf,
}

impl Disk {
    fn here() -> Self {
        let folder = |name| PathBuf::from(std::env::var_os(name).expect("started on a failing disk"));
        Self { watched: folder("DISK_WATCHED"), kept: folder("DISK_KEPT"), order: folder("DISK_FAILS") }
    }

    fn open(&self) -> VectrDB {
        let mut config = Config::file(self.watched.join(NAME));
        config.shard(shard());
        VectrDB::new(config).unwrap()
    }

    /// Makes the next sync of a file whose name ends so fail.
    fn fail(&self, end: &str) {
        let draft = self.order.with_extension("new");
        std::fs::write(&draft, end).unwrap();
        std::fs::rename(draft, &self.order).unwrap();
    }

    fn has_yet_to_fail(&self) -> bool {
        self.order.exists()
    }

    /// The number of rows that a power cut now would leave, in a file that is whole.
    fn rows_after_a_power_cut(&self) -> u64 {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(&self.kept).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        let mut config = Config::file(folder.path().join(NAME));
        config.shard(shard());
        let db = VectrDB::new(config).unwrap();
        let checked = db.query("PRAGMA integrity_check", vec![]).unwrap().rows;
        assert_eq!(checked, [[vectr_core::Value::Text("ok".into())]]);
        let rows = db.count(&shard()).unwrap();
        db.close().unwrap();
        rows
    }
}

/// Writes a vector for each number, and returns the number of the last transaction.
fn write(db: &VectrDB, numbers: std::ops::Range<u64>) -> u64 {
    let vectors = numbers.map(|number| {
        let components: Vec<f32> = (0..256).map(|at| (number * 256 + at) as f32).collect();
        let id = VectorId::new(&format!("v{number}")).unwrap();
        (Some(id), Payload::from_components(&components, None).unwrap())
    });
    let vectors: Vec<_> = vectors.collect();
    for some in vectors.chunks(500) {
        db.insert_batch(Target::shard(&shard()), some.to_vec()).unwrap();
    }
    db.commit_no()
}

fn shard() -> ShardId {
    ShardId::new("notes").unwrap()
}

const NAME: &str = "a.db";
const SOURCE: &str = "disk/failing_disk.c";
