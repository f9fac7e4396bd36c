//! Readers beside writers, in one process and in several.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use vectr_core::{Search, Target, VectrDB};

use super::{fill, killed, open, read_all, read_only};
use crate::support::{Scratch, id, payload, put, shard, shown};

/// A process that writes until it is told to end, and says what it is doing in `output`.
fn spawn(scratch: &Scratch, rounds: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "read_only::company::child", "--ignored", "--nocapture"])
        .env("VECTR_TEST_WRITE", scratch.path("a.db"))
        .env("VECTR_TEST_ROUNDS", rounds.to_string())
        .env("VECTR_RUNTIME_DIR", scratch.runtime_dir())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Run as a process of its own: each transaction gives all rows one mark, and a row is moved to and fro between two ids.
#[test]
#[ignore = "the other half of tests with several processes"]
fn child() {
    let Some(file) = std::env::var_os("VECTR_TEST_WRITE") else { return };
    let rounds: usize = std::env::var("VECTR_TEST_ROUNDS").unwrap().parse().unwrap();
    let mut config = vectr_core::Config::file(std::path::PathBuf::from(file));
    config.shard(shard()).log_limit(1 << 20);
    for opening in 0..rounds {
        let db = VectrDB::new(&config).unwrap();
        for round in 0..25 {
            mark(&db, (opening * 25 + round) as f32);
        }
        db.close().unwrap();
    }
}

/// Sixteen rows that differ in nothing but their ids, of one transaction.
fn mark(db: &VectrDB, mark: f32) {
    let shard = shard();
    let transaction = db.begin().unwrap();
    let at = Target { shard: &shard, transaction: Some(transaction) };
    for row in 0..16 {
        let mut components = vec![mark; 1_024];
        components[0] = 1.0;
        db.upsert(at, &id(&format!("row{row}")), payload(&components)).unwrap();
    }
    db.commit(transaction).unwrap();
}

/// What all rows are marked with: each read must find one mark.
fn look(db: &VectrDB) -> f32 {
    let mut search = Search::new(shard(), vec![1.0; 1_024]);
    let hits = db.search(search.k(100).include_vectors()).unwrap();
    assert_eq!((hits.len(), hits.damaged.len()), (16, 0));
    let first = hits[0].vector.clone();
    assert!(hits.iter().all(|hit| hit.vector == first), "rows of two transactions");
    let marked = |vector: &[u8]| f32::from_le_bytes(vector[4_092..].try_into().unwrap());
    marked(&first.unwrap())
}

#[test]
fn each_read_beside_a_process_that_writes_opens_and_closes_is_of_one_transaction() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    mark(&db, -1.0);
    db.close().unwrap();
    let reader = open(&scratch.path("a.db"));
    let mut child = spawn(&scratch, 12);
    let (mut newest, mut seen) = (look(&reader), 0);
    while child.try_wait().unwrap().is_none() {
        let found = look(&reader);
        assert!(found >= newest, "{found} after {newest}");
        seen += usize::from(found > newest);
        newest = found;
        let mut walk = reader.iterate(&shard(), true).unwrap();
        let page = walk.next_page(8).and_then(|mut page| {
            page.extend(walk.next_page(100)?);
            Ok(page)
        });
        match page {
            Ok(page) => assert!(page.len() == 16 && page.iter().all(|row| row.vector == page[0].vector)),
            Err(error) => assert_eq!(error.code(), "ERR_BUSY", "{error}"),
        }
        let torn = "SELECT count(DISTINCT vector) FROM vectors";
        let rows = reader.query(torn, Vec::new()).unwrap();
        assert_eq!(rows.rows, [[vectr_core::Value::Integer(1)]]);
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(look(&reader), 299.0);
    assert!(seen > 3, "{seen}");
    reader.close().unwrap();
}

#[test]
fn readers_of_processes_that_are_killed_find_whole_transactions() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    mark(&db, -1.0);
    db.close().unwrap();
    let reader = open(&scratch.path("a.db"));
    for round in 0..8 {
        let mut child = spawn(&scratch, 1_000);
        let (began, before) = (Instant::now(), look(&reader));
        while began.elapsed() < Duration::from_millis(40 + round * 30) || look(&reader) == before {
            look(&reader);
            look(&open(&scratch.path("a.db")));
            assert!(began.elapsed() < LONG);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        look(&reader);
        look(&open(&scratch.path("a.db")));
    }
    let sound = vectr_core::Inspection::open(&scratch.path("a.db")).unwrap().verify().unwrap();
    assert!(sound.is_sound(), "{sound:?}");
}

#[test]
fn a_writer_proves_continuity_and_empties_the_log_while_readers_are_there() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    fill(&db, 0..10);
    let site = db.site();
    db.close().unwrap();
    let alone = open(&scratch.path("a.db"));
    assert_eq!(read_all(&alone), 10);
    let mut beside = None;
    for round in 1..4 {
        let db = scratch.open("a.db");
        fill(&db, 10 * round..10 * round + 10);
        assert_eq!(db.site(), site);
        let count = u64::from(10 * round + 10);
        assert_eq!(read_all(&alone), count);
        let reader = beside.get_or_insert_with(|| open(&scratch.path("a.db")));
        assert_eq!(read_all(reader), count);
        db.close().unwrap();
        assert_eq!(fs::metadata(scratch.path("a.db-wal")).map_or(0, |log| log.len()), 0);
        assert_eq!((read_all(&alone), read_all(reader)), (count, count));
    }
    drop((alone, beside));
    let db = scratch.open("a.db");
    put(&db, "after", &[1.0, 2.0]);
    assert_eq!(db.site(), site);
}

#[test]
fn one_process_reads_and_writes_a_file_in_any_order() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    mark(&db, -4.0);
    let reader = open(&scratch.path("a.db"));
    mark(&db, -3.0);
    assert_eq!(look(&reader), -3.0);
    db.close().unwrap();
    assert_eq!(look(&reader), -3.0);
    let db = scratch.open("a.db");
    mark(&db, -2.0);
    reader.close().unwrap();
    mark(&db, -1.0);
    // The end of the reader has freed none of the writer's locks: the log in use is not deleted.
    let mut child = spawn(&scratch, 1);
    assert!(child.wait().unwrap().success());
    assert_eq!(look(&db), 24.0);
    mark(&db, 25.0);
    assert_eq!(look(&open(&scratch.path("a.db"))), 25.0);
    db.close().unwrap();
    let sound = vectr_core::Inspection::open(&scratch.path("a.db")).unwrap().verify().unwrap();
    assert!(sound.is_sound(), "{sound:?}");
}

// A log without an index is read outside of SQLite's locks.
#[test]
fn a_file_that_is_read_without_locks_is_not_opened_for_writing_meanwhile() {
    let scratch = Scratch::new();
    killed(&scratch, &["", "-wal"]);
    let reader = open(&scratch.path("a.db"));
    assert_eq!(read_all(&reader), 10);
    let refused = VectrDB::new(scratch.config("a.db")).unwrap_err();
    assert!(refused.code() == "ERR_BUSY" && refused.to_string().contains("reads it"), "{refused}");
    reader.close().unwrap();
    let db = scratch.open("a.db");
    fill(&db, 10..20);
    assert_eq!(read_all(&open(&scratch.path("a.db"))), 20);
}

// A forgotten iteration of a reader kept the log of all writers from being emptied, for ever.
#[test]
fn an_iteration_that_keeps_the_log_too_long_is_cut_off() {
    let scratch = Scratch::new();
    let db = VectrDB::new(scratch.config("a.db").log_limit(1 << 20)).unwrap();
    mark(&db, 0.0);
    let reader = VectrDB::new(read_only(&scratch.path("a.db")).log_limit(1 << 20)).unwrap();
    let mut walk = reader.iterate(&shard(), true).unwrap();
    assert_eq!(walk.next_page(3).unwrap().len(), 3);
    let began = Instant::now();
    let mut written = 0.0;
    while reader.storage_statistics().readers_cut_off == 0 {
        written += 1.0;
        mark(&db, written);
        assert!(began.elapsed() < LONG);
    }
    let error = walk.next_page(3).unwrap_err();
    assert!(error.code() == "ERR_BUSY" && error.to_string().contains("iterate again after"), "{error}");
    assert_eq!(look(&reader), written);
    for _ in 0..20 {
        written += 1.0;
        mark(&db, written);
    }
    let mut walk = reader.iterate(&shard(), true).unwrap();
    assert_eq!(walk.next_page(100).unwrap().len(), 16);
    db.close().unwrap();
    assert_eq!(fs::metadata(scratch.path("a.db-wal")).map_or(0, |log| log.len()), 0);
}

#[test]
fn the_changes_of_others_are_heard() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    fill(&db, 0..3);
    db.close().unwrap();
    let reader = open(&scratch.path("a.db"));
    let mut feed = reader.changes(&shard(), None).unwrap();
    assert!(feed.read().unwrap().is_none());
    assert_eq!(reader.changes(&shard(), Some(99)).unwrap_err().code(), "ERR_NOT_HELD");
    let (told, hear) = channel();
    let subscription = feed.on_change(move || told.send(()).unwrap());
    // With a log that was made after it began to listen, and with one that is removed and made anew.
    for round in 0..3_u8 {
        let db = scratch.open("a.db");
        for change in 0..3_u8 {
            put(&db, "changed", &[f32::from(round * 10 + change), 1.0]);
            let until = Instant::now() + LONG;
            loop {
                hear.recv_timeout(until.saturating_duration_since(Instant::now())).unwrap();
                if let Some(delta) = feed.read().unwrap() {
                    assert_eq!(vectr_delta::changes::decode_rows(&delta).unwrap().rows.len(), 1);
                    break;
                }
            }
            assert_eq!(shown(&reader, "changed"), Some(vec![f32::from(round * 10 + change), 1.0]));
        }
        db.close().unwrap();
    }
    drop(subscription);
    let newest = reader.commit_no();
    let db = scratch.open("a.db");
    put(&db, "later", &[1.0, 1.0]);
    assert_eq!(reader.commit_no(), newest + 1);
    assert!(hear.try_iter().count() <= 1);
    let (told, hear) = channel();
    let _subscription = reader.on_commit(Box::new(move |commit_no| told.send(commit_no).unwrap()));
    put(&db, "later", &[2.0, 1.0]);
    assert_eq!(hear.recv_timeout(LONG).unwrap(), newest + 2);
    reader.close().unwrap();
    put(&db, "later", &[3.0, 1.0]);
}

#[test]
fn a_reader_that_ends_in_the_midst_of_reads_frees_the_file() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    fill(&db, 0..200);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !ended.load(Ordering::SeqCst) {
                    let reader = VectrDB::new(read_only(&scratch.path("a.db"))).unwrap();
                    let closing = reader.clone();
                    let thread = std::thread::spawn(move || {
                        while reader.count(&shard()).is_ok() {}
                        assert_eq!(reader.count(&shard()).unwrap_err().code(), "ERR_CLOSED");
                    });
                    closing.close().unwrap();
                    thread.join().unwrap();
                }
            });
        }
        fill(&db, 200..400);
        ended.store(true, Ordering::SeqCst);
    });
    assert_eq!(db.count(&shard()).unwrap(), 400);
    db.close().unwrap();
    assert!(!scratch.path("a.db-wal").exists());
}

const LONG: Duration = Duration::from_secs(20);
