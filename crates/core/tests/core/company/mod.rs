//! Several openings of one file, in this process and in others.

mod histories;
mod processes;

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use vectr_core::replication::{Serving, serve, serve_blocking};
use vectr_core::{Target, VectrDB};
use vectr_delta::{Ending, ShardId, StoreReply, StoreRequest, Timestamp};

use crate::support::sync::session;
use crate::support::{Scratch, assert_sound, id, payload, put, shard, shown};

const LONG: Duration = Duration::from_secs(20);

/// Numbers from the tables that no view shows.
fn numbers<const N: usize>(db: &VectrDB, sql: &str) -> [i64; N] {
    let raw = rusqlite::Connection::open(db.path().unwrap()).unwrap();
    raw.query_row(sql, [], |row| Ok(std::array::from_fn(|at| row.get(at).unwrap()))).unwrap()
}

fn own_sites(db: &VectrDB) -> i64 {
    numbers::<1>(db, "SELECT count(*) FROM site WHERE own = 1")[0]
}

fn impatient(scratch: &Scratch, name: &str) -> VectrDB {
    VectrDB::new(scratch.config(name).busy_timeout(Duration::from_millis(100))).unwrap()
}

/// Waits until all that `db` tells of its state is that of this commit.
fn until_told(db: &VectrDB, commit_no: u64) {
    let began = Instant::now();
    while db.commit_no() < commit_no {
        assert!(began.elapsed() < LONG, "{} of {commit_no}", db.commit_no());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn all_openings_of_a_file_are_one_node() {
    let scratch = Scratch::new();
    let [a, b, c] = ["a.db"; 3].map(|name| scratch.open(name));
    for i in 0..50 {
        for (db, name) in [(&a, "a"), (&b, "b"), (&c, "c")] {
            put(db, &format!("{name}{i}"), &[i as f32]);
            put(db, "shared", &[i as f32]);
        }
    }
    for db in [&a, &b, &c] {
        until_told(db, 300);
        assert_eq!((db.count(&shard()).unwrap(), db.site(), db.commit_no()), (151, a.site(), 300));
    }
    let numbers = numbers(&a, "SELECT max(change_id), count(DISTINCT seq), max(seq), count(*) FROM row");
    assert_eq!(numbers, [300, 151, 300, 151]);
    assert_eq!(own_sites(&a), 1);
    assert_sound(&c);
}

#[test]
fn a_file_whose_life_nobody_proves_takes_one_site_whoever_writes_first() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.open("a.db"), scratch.open("a.db"));
    put(&b, "b", &[1.0]);
    put(&a, "a", &[1.0]);
    put(&b, "b", &[2.0]);
    until_told(&a, 3);
    until_told(&b, 3);
    assert_eq!((a.site(), own_sites(&a)), (b.site(), 1));
    let site = a.site();
    drop((a, b));
    let (a, b) = (scratch.open("a.db"), scratch.open("a.db"));
    put(&b, "b", &[3.0]);
    put(&a, "a", &[3.0]);
    assert_eq!((a.site(), b.site(), own_sites(&a)), (site, site, 1));
}

#[test]
fn the_last_one_closes_the_file() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.open("a.db"), scratch.open("a.db"));
    put(&a, "a", &[1.0]);
    put(&b, "b", &[1.0]);
    let site = a.site();
    a.close().unwrap();
    assert!(scratch.path("a.db-wal").exists());
    assert_eq!(shown(&b, "a"), Some(vec![1.0]));
    put(&b, "c", &[1.0]);
    let again = scratch.open("a.db");
    put(&again, "d", &[1.0]);
    b.close().unwrap();
    again.close().unwrap();
    assert!(!scratch.path("a.db-wal").exists());
    let db = scratch.open("a.db");
    assert_eq!((db.site(), db.count(&shard()).unwrap(), db.durable_no()), (site, 4, db.commit_no()));
}

#[test]
fn a_commit_of_one_is_told_to_all() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.open("a.db"), scratch.open("a.db"));
    put(&a, "a", &[1.0]);
    put(&b, "b", &[1.0]);
    let (told, hear) = channel();
    let _subscription = b.on_commit(Box::new(move |commit_no| told.send(commit_no).unwrap()));
    put(&a, "a", &[2.0]);
    assert_eq!(hear.recv_timeout(LONG).unwrap(), 3);
    // What is told is in order, and nothing is told twice.
    for i in 0..200 {
        put(if i % 3 == 0 { &b } else { &a }, "a", &[i as f32]);
    }
    until_told(&b, 203);
    let told: Vec<u64> = hear.try_iter().collect();
    assert!(told.is_sorted_by(|a, b| a < b) && told.last() == Some(&203), "{told:?}");
}

#[test]
fn a_commit_of_one_wakes_the_sessions_of_its_shard_alone() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.open("a.db"), scratch.open("a.db"));
    let other = ShardId::new("other").unwrap();
    put(&a, "a", &[1.0]);
    a.insert(Target::shard(&other), None, payload(&[1.0])).unwrap();
    until_told(&b, 2);
    let (told, hear) = channel();
    let subscribe = |shard: &ShardId, name: &'static str| {
        let told = told.clone();
        let done = move |reply| told.send((name, matches!(reply, StoreReply::Committed))).unwrap();
        let Serving::Subscribed(subscription) = serve(&b, shard, StoreRequest::AwaitCommit(2), done) else {
            panic!("not subscribed")
        };
        subscription
    };
    let _both = (subscribe(&shard(), "notes"), subscribe(&other, "other"));
    put(&a, "a", &[2.0]);
    assert_eq!(hear.recv_timeout(LONG).unwrap(), ("notes", true));
    until_told(&b, 3);
    assert!(hear.try_recv().is_err());
}

#[test]
fn a_barrier_of_one_covers_the_commits_of_all() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.open("a.db"), scratch.open("a.db"));
    put(&b, "b", &[1.0]);
    put(&a, "a", &[1.0]);
    // As a session does with what its snapshot has shown, told or not.
    let StoreReply::Durable(durable) = serve_blocking(&b, &shard(), StoreRequest::AwaitDurable(2)) else {
        panic!("not durable")
    };
    assert!(durable >= 2 && b.durable_no() >= 2);
}

#[test]
fn a_transaction_of_one_keeps_the_others_waiting_and_they_say_who_it_is() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.open("a.db"), impatient(&scratch, "a.db"));
    put(&a, "a", &[1.0]);
    let transaction = a.begin().unwrap();
    let inside = Target { shard: &shard(), transaction: Some(transaction) };
    a.upsert(inside, &id("a"), payload(&[2.0])).unwrap();
    let error = b.upsert(Target::shard(&shard()), &id("b"), payload(&[1.0])).unwrap_err();
    assert_eq!(error.code(), "ERR_BUSY");
    assert!(error.is_transient() && error.to_string().contains("another handle in this process"), "{error}");
    assert_eq!(shown(&b, "a"), Some(vec![1.0]));
    // Others open it all the same.
    assert_eq!(shown(&impatient(&scratch, "a.db"), "a"), Some(vec![1.0]));
    a.rollback(transaction).unwrap();
    put(&b, "b", &[1.0]);
    assert_eq!((shown(&a, "a"), shown(&a, "b")), (Some(vec![1.0]), Some(vec![1.0])));
}

#[test]
fn one_that_writes_without_a_pause_lets_others_write() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.open("a.db"), scratch.open("a.db"));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                a.insert_batch(Target::shard(&shard()), vec![(None, payload(&[1.0; 384])); 500]).unwrap();
            }
        });
        for i in 0..20 {
            put(&b, &format!("b{i}"), &[1.0; 384]);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_sound(&b);
}

#[test]
fn what_one_writes_about_a_row_is_what_the_next_one_reads() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.open("a.db"), scratch.open("a.db"));
    for i in 0..30 {
        let (first, second) = if i % 2 == 0 { (&a, &b) } else { (&b, &a) };
        put(first, "a", &[i as f32]);
        assert_eq!(shown(second, "a"), Some(vec![i as f32]));
        put(second, "a", &[-1.0]);
    }
    // One version each time: nobody wrote from an older state.
    assert_eq!(numbers(&a, "SELECT versions, seq FROM row"), [1, 60]);
}

#[test]
fn two_engines_of_one_file_do_not_sync_with_each_other() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.open("a.db"), scratch.open("a.db"));
    put(&a, "a", &[1.0]);
    put(&b, "b", &[1.0]);
    let site = a.site();
    let (left, right) = session(&shard(), (&a, 1), (&b, 2), Timestamp::default());
    let refused = |ending: &Ending| matches!(ending, Ending::Failed { retry: false, .. });
    assert!(refused(&left.ending) || refused(&right.ending), "{:?} {:?}", left.ending, right.ending);
    assert_eq!((a.site(), a.count(&shard()).unwrap(), own_sites(&a)), (site, 2, 1));
}

#[test]
fn both_engines_of_one_file_sync_with_a_peer() {
    let scratch = Scratch::new();
    let (a, b, peer) = (scratch.open("a.db"), scratch.open("a.db"), scratch.open("peer.db"));
    let now = Timestamp::default();
    for i in 0..20 {
        put(&a, &format!("a{i}"), &[1.0]);
        put(&b, &format!("b{i}"), &[1.0]);
        put(&peer, &format!("p{i}"), &[1.0]);
        let engine = if i % 2 == 0 { &a } else { &b };
        crate::support::sync::sync(&shard(), (engine, 1), (&peer, 2), now);
        assert_eq!(a.digest(&shard()).unwrap(), peer.digest(&shard()).unwrap());
    }
    assert_eq!((own_sites(&b), b.count(&shard()).unwrap(), peer.count(&shard()).unwrap()), (1, 60, 60));
}

// Through SQLite's own locks, as `.restore` of its shell does.
#[test]
fn a_file_that_another_program_restores_under_its_openings_begins_a_new_life() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.open("a.db"), scratch.open("a.db"));
    for i in 0..20 {
        put(&a, &format!("a{i}"), &[1.0]);
    }
    until_told(&b, 20);
    let raw = rusqlite::Connection::open(scratch.path("a.db")).unwrap();
    let older = "DELETE FROM row WHERE change_id > 10; UPDATE counter SET commit_no = 10, change_id = 10, \
                 last_applied_at = (SELECT max(applied_at) FROM row)";
    raw.execute_batch(older).unwrap();
    let site = a.site();
    let late = scratch.open("a.db");
    put(&late, "late", &[1.0]);
    until_told(&a, 21);
    until_told(&b, 21);
    put(&b, "b", &[1.0]);
    put(&a, "a", &[1.0]);
    assert_eq!((a.commit_no(), own_sites(&a)), (23, 2));
    assert_ne!(a.site(), site);
    // Nothing of it was called durable that is not.
    assert!(b.await_durable(23).unwrap() >= 23);
}

#[test]
fn a_file_that_was_restored_and_then_closed_takes_a_new_site() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    for i in 0..20 {
        put(&db, &format!("a{i}"), &[1.0]);
    }
    let raw = rusqlite::Connection::open(scratch.path("a.db")).unwrap();
    let older = "DELETE FROM row WHERE change_id > 10; UPDATE counter SET commit_no = 10, change_id = 10";
    raw.execute_batch(older).unwrap();
    drop(raw);
    let site = db.site();
    db.close().unwrap();
    assert_ne!(scratch.open("a.db").site(), site);
}

#[test]
fn a_file_that_is_gone_is_not_opened_beside_those_who_have_it() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    std::fs::rename(scratch.path("a.db"), scratch.path("b.db")).unwrap();
    let log = std::fs::read(scratch.path("a.db-wal")).unwrap();
    assert!(!log.is_empty());
    assert_eq!(VectrDB::new(scratch.config("a.db")).unwrap_err().code(), "ERR_BUSY");
    assert!(!scratch.path("a.db").exists() && std::fs::read(scratch.path("a.db-wal")).unwrap() == log);
}

#[test]
fn openings_with_different_runtime_folders_keep_one_record() {
    let scratch = Scratch::new();
    let other = tempfile::tempdir_in("/dev/shm").unwrap();
    let elsewhere = || {
        let mut config = scratch.config("a.db");
        config.runtime_dir(other.path().join("vectr"));
        VectrDB::new(config).unwrap()
    };
    let (a, b) = (scratch.open("a.db"), elsewhere());
    put(&a, "a", &[1.0]);
    put(&b, "b", &[1.0]);
    let site = a.site();
    a.close().unwrap();
    put(&b, "c", &[1.0]);
    b.close().unwrap();
    assert_eq!(scratch.open("a.db").site(), site);
    // Where nobody kept a record, nothing is proven.
    assert_ne!(elsewhere().site(), site);
}
