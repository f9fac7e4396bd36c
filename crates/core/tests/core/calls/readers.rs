//! Snapshots that callers hold: how long the log may get for them, and what they leave to others.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use vectr_core::{Config, QueryOptions, Rows, Search, Target, VectrDB};

use crate::support::{Scratch, id, payload, put, shard};

const LIMIT: u64 = 1 << 20;
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT count(*) FROM vectors UNION ALL SELECT i + 1 FROM n) \
     SELECT max(i) FROM n";

/// A database whose log may have a mebibyte, and ten vectors.
fn limited(scratch: &Scratch) -> VectrDB {
    let db = VectrDB::new(scratch.config("a.db").log_limit(LIMIT)).unwrap();
    for number in 0..10 {
        put(&db, &format!("a{number}"), &[0.5; 384]);
    }
    db
}

/// About 400 KiB.
fn write(db: &VectrDB) {
    db.insert_batch(Target::shard(&shard()), vec![(None, payload(&[0.5; 384])); 200]).unwrap();
}

fn wait_until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::yield_now();
    }
}

#[test]
fn an_iteration_that_holds_the_log_past_its_limit_is_cut_off_and_can_be_taken_up_again() {
    // A held iteration let the log grow without bound, and nothing said so.
    let scratch = Scratch::new();
    let db = limited(&scratch);
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let _subscription = db.on_log_excess(Box::new(move |excess| heard.lock().unwrap().push(excess)));
    let mut iteration = db.iterate(&shard(), false).unwrap();
    let first = iteration.next_page(5).unwrap();
    assert_eq!(db.storage_statistics().readers_held, 1);
    let mut longest = 0;
    for _ in 0..40 {
        write(&db);
        longest = longest.max(db.storage_statistics().log_bytes);
    }
    assert!(longest < 4 * LIMIT, "{longest}");
    let error = iteration.next_page(5).unwrap_err();
    assert_eq!(error.code(), "ERR_BUSY");
    assert!(error.to_string().contains("iterate again after 'a4'"), "{error}");
    assert!(error.is_transient());
    let statistics = db.storage_statistics();
    assert_eq!((statistics.readers_held, statistics.readers_cut_off, statistics.log_limit), (0, 1, LIMIT));
    let told = told.lock().unwrap();
    assert!(told.iter().any(|excess| excess.readers_cut_off == 1 && excess.log_bytes > LIMIT), "{told:?}");
    let last = &first.last().unwrap().id;
    let rest = db.iterate_after(&shard(), false, Some(last)).unwrap().next_page(100_000).unwrap();
    assert_eq!(first.len() + rest.len(), 10);
    assert!(rest.iter().all(|vector| vector.id > *last));
}

#[test]
fn an_iteration_goes_on_while_the_log_is_within_its_limit() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[0.5; 384]);
    let mut iteration = db.iterate(&shard(), false).unwrap();
    for _ in 0..40 {
        write(&db);
    }
    assert_eq!(iteration.next_page(100).unwrap().len(), 1);
    assert!(iteration.next_page(100).unwrap().is_empty());
    assert_eq!(db.storage_statistics().readers_held, 1);
    drop(iteration);
    assert_eq!((db.storage_statistics().readers_held, db.storage_statistics().readers_cut_off), (0, 0));
}

#[test]
fn a_query_that_holds_the_log_past_its_limit_is_cut_off() {
    let scratch = Scratch::new();
    let db = limited(&scratch);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| db.query(ENDLESS, vec![]));
        wait_until(|| db.storage_statistics().readers_held == 1);
        let mut longest = 0;
        while !running.is_finished() {
            write(&db);
            longest = longest.max(db.storage_statistics().log_bytes);
            assert!(longest < 512 * LIMIT, "{longest}");
        }
        let error = running.join().unwrap().unwrap_err();
        assert!(error.code() == "ERR_BUSY" && error.to_string().contains("log"), "{error}");
    });
}

#[test]
fn endless_queries_leave_gets_searches_and_syncs_their_readers() {
    // Eight endless queries stopped every read and every sync of the process.
    let scratch = Scratch::new();
    let db = VectrDB::new(scratch.config("a.db").busy_timeout(Duration::from_millis(200))).unwrap();
    put(&db, "a", &[1.0]);
    let cancel = Arc::new(AtomicBool::new(false));
    let mut options = QueryOptions::default();
    options.cancel(Arc::clone(&cancel));
    let refused = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let run = || {
            let ended = db.query_with(ENDLESS, vec![], &options);
            if ended.as_ref().is_err_and(|error| error.code() == "ERR_BUSY") {
                refused.fetch_add(1, Ordering::SeqCst);
            }
            ended
        };
        let running: Vec<ScopedJoinHandle<'_, Result<Rows, _>>> = (0..12).map(|_| scope.spawn(run)).collect();
        wait_until(|| db.storage_statistics().readers_held == 4);
        assert!(db.get(Target::shard(&shard()), &id("a")).unwrap().is_some());
        assert_eq!(db.search(&Search::new(shard(), vec![1.0])).unwrap().len(), 1);
        assert_eq!(db.count(&shard()).unwrap(), 1);
        // Those that wait give up after the time for which any call waits.
        wait_until(|| refused.load(Ordering::SeqCst) == 8);
        cancel.store(true, Ordering::SeqCst);
        let codes = running.into_iter().map(|running| running.join().unwrap().unwrap_err().code());
        assert_eq!(codes.filter(|code| *code == "ERR_ABORTED").count(), 4);
    });
    db.query("SELECT 1", vec![]).unwrap();
}

#[test]
fn an_endless_query_in_memory_ends_once_others_have_waited_for_it() {
    let db = VectrDB::new(Config::default().shard(shard()).busy_timeout(Duration::from_millis(100))).unwrap();
    put(&db, "a", &[1.0]);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| db.query(ENDLESS, vec![]));
        // Not before it runs: one call after the other waits for it.
        while !running.is_finished() {
            put(&db, "b", &[1.0]);
        }
        let error = running.join().unwrap().unwrap_err();
        assert_eq!(error.code(), "ERR_BUSY", "{error}");
    });
    assert_eq!(db.count(&shard()).unwrap(), 2);
}

#[test]
fn the_log_gives_its_space_back_when_nothing_is_written() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    for _ in 0..20 {
        write(&db);
    }
    assert!(db.storage_statistics().log_bytes > 4 << 20);
    wait_until(|| db.storage_statistics().log_bytes == 0);
    put(&db, "after", &[0.5; 384]);
    assert_eq!(db.await_durable(db.commit_no()).unwrap(), db.commit_no());
    assert_eq!(db.overview().unwrap().log_bytes, db.storage_statistics().log_bytes);
    assert_eq!(db.count(&shard()).unwrap(), 4_001);
}

#[test]
fn a_close_waits_for_no_snapshot() {
    let scratch = Scratch::new();
    let db = limited(&scratch);
    let mut iteration = db.iterate(&shard(), false).unwrap();
    db.close().unwrap();
    assert_eq!(iteration.next_page(1).unwrap_err().code(), "ERR_CLOSED");
    assert!(!scratch.path("a.db-wal").exists());
}
