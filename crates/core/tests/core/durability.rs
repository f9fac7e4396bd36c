//! What survives a power cut, and how large the log gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{Scratch, delete, id, payload, put, shard};
use rusqlite::Connection;
use vectr_core::{Config, Target, VectrDB};
use vectr_delta::Strategy;

fn barriers(scratch: &Scratch, name: &str) -> i64 {
    let connection = Connection::open(scratch.path(name)).unwrap();
    connection.query_row("SELECT barriers FROM counter", [], |row| row.get(0)).unwrap()
}

#[test]
fn every_transaction_that_changes_something_takes_one_number() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    let start = db.commit_no();
    put(&db, "a", &[1.0]);
    assert_eq!(db.commit_no(), start + 1);
    db.insert_batch(Target::shard(&shard()), vec![(None, payload(&[1.0])); 10]).unwrap();
    assert_eq!(db.commit_no(), start + 2);
    assert!(!delete(&db, "unknown"));
    assert!(db.insert(Target::shard(&shard()), Some(id("a")), payload(&[1.0])).is_err());
    db.set_strategy(&shard(), Strategy::LastWriteWins).unwrap();
    assert_eq!(db.commit_no(), start + 2);
    db.set_strategy(&shard(), Strategy::Manual).unwrap();
    assert_eq!(db.commit_no(), start + 3);
}

#[test]
fn a_barrier_covers_what_came_before_it_and_is_not_repeated() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    let first = db.commit_no();
    assert_eq!(db.await_durable(first).unwrap(), first);
    for _ in 0..3 {
        assert_eq!(db.await_durable(first).unwrap(), first);
    }
    put(&db, "b", &[1.0]);
    assert_eq!(db.await_durable(first).unwrap(), first);
    assert_eq!(db.await_durable(first + 1).unwrap(), first + 1);
    assert_eq!(db.await_durable(u64::MAX).unwrap(), first + 1);
    db.close().unwrap();
    assert_eq!(barriers(&scratch, "a.db"), 2);
    // What was closed is on the disk.
    let db = scratch.open("a.db");
    db.await_durable(db.commit_no()).unwrap();
    db.close().unwrap();
    assert_eq!(barriers(&scratch, "a.db"), 2);
}

#[test]
fn what_an_opening_writes_is_not_durable_by_itself() {
    let scratch = Scratch::new();
    scratch.open("a.db").close().unwrap();
    let before = barriers(&scratch, "a.db");
    let node = vectr_delta::NodeName::new("node-1").unwrap();
    let db = VectrDB::new(scratch.config("a.db").node(node)).unwrap();
    db.await_durable(db.commit_no()).unwrap();
    db.close().unwrap();
    assert_eq!(barriers(&scratch, "a.db"), before + 1);
}

#[test]
fn many_who_wait_share_barriers() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    let transaction = db.begin().unwrap();
    std::thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..20).map(|_| scope.spawn(|| db.await_durable(db.commit_no()).unwrap())).collect();
        db.commit(transaction).unwrap();
        for waiter in waiting {
            assert_eq!(waiter.join().unwrap(), db.commit_no());
        }
    });
    db.close().unwrap();
    assert!(barriers(&scratch, "a.db") < 20);
}

#[test]
fn in_memory_nothing_is_durable_and_nobody_waits() {
    let db = VectrDB::new(Config::default().shard(shard())).unwrap();
    put(&db, "a", &[1.0]);
    assert!(!db.is_durable());
    assert_eq!(db.await_durable(db.commit_no()).unwrap(), db.commit_no());
}

#[test]
fn listeners_hear_of_commits_until_they_are_dropped() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    let heard = Arc::new(AtomicU64::new(0));
    let place = Arc::clone(&heard);
    let subscription = db.on_commit(Box::new(move |commit_no| place.store(commit_no, Ordering::SeqCst)));
    let _panicking = db.on_commit(Box::new(|_| panic!("a listener's own fault")));
    put(&db, "a", &[1.0]);
    assert_eq!(heard.load(Ordering::SeqCst), db.commit_no());
    delete(&db, "unknown");
    drop(subscription);
    put(&db, "b", &[1.0]);
    assert_eq!(heard.load(Ordering::SeqCst), db.commit_no() - 1);
}

#[test]
fn the_log_stays_bounded_under_a_long_run_of_writes() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    let mut largest = 0;
    for _ in 0..400 {
        let vectors = (0..250).map(|_| (None, payload(&[0.5; 384]))).collect();
        db.insert_batch(Target::shard(&shard()), vectors).unwrap();
        largest = largest.max(std::fs::metadata(scratch.path("a.db-wal")).unwrap().len());
    }
    assert!(largest < 80 << 20, "{largest}");
    assert_eq!(db.count(&shard()).unwrap(), 100_000);
    db.close().unwrap();
    assert!(!scratch.path("a.db-wal").exists());
    assert!(std::fs::metadata(scratch.path("a.db")).unwrap().len() > 150 << 20);
}
