//! Writing and reading vectors in one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Scratch, Wall, both, bytes, delete, described, id, payload, put, shard, shown};
use vectr_core::{Config, Metric, Search, Target, VectrDB};
use vectr_delta::{Dimensions, Metadata, NodeName, Payload, ShardId};

fn code<T: std::fmt::Debug>(outcome: Result<T, vectr_core::CoreError>) -> &'static str {
    outcome.unwrap_err().code()
}

#[test]
fn what_is_written_is_read_back() {
    both(|db| {
        let at = &shard();
        let given =
            db.insert(Target::shard(at), Some(id("a")), described(&[1.0, 2.0], r#"{"k":1}"#)).unwrap();
        assert_eq!(given, id("a"));
        let entry = db.get(Target::shard(at), &id("a")).unwrap().unwrap();
        assert_eq!(entry.vector, bytes(&[1.0, 2.0]));
        assert_eq!(entry.metadata.unwrap().as_str(), r#"{"k":1}"#);
        assert!(!entry.conflicted && entry.timestamp.as_micros() > 0);
        assert_eq!(db.count(at).unwrap(), 1);
        assert_eq!(db.shards().unwrap(), std::slice::from_ref(at));
    });
}

#[test]
fn an_id_is_made_where_none_is_given() {
    both(|db| {
        let at = shard();
        let ids: Vec<_> =
            (0..10).map(|_| db.insert(Target::shard(&at), None, payload(&[1.0])).unwrap()).collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 10);
        assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'7'));
    });
}

#[test]
fn a_live_id_is_not_inserted_again_and_a_deleted_one_is() {
    both(|db| {
        let at = shard();
        put(db, "a", &[1.0]);
        assert_eq!(code(db.insert(Target::shard(&at), Some(id("a")), payload(&[2.0]))), "ERR_EXISTS");
        assert_eq!(shown(db, "a"), Some(vec![1.0]));
        assert!(delete(db, "a") && !delete(db, "a") && !delete(db, "never"));
        assert_eq!((shown(db, "a"), db.count(&at).unwrap()), (None, 0));
        db.insert(Target::shard(&at), Some(id("a")), payload(&[2.0])).unwrap();
        assert_eq!(shown(db, "a"), Some(vec![2.0]));
    });
}

#[test]
fn a_batch_is_written_wholly_or_not_at_all() {
    both(|db| {
        let at = shard();
        let batch = |names: &[&str]| -> Vec<_> {
            names.iter().map(|name| (Some(id(name)), payload(&[1.0]))).collect()
        };
        assert_eq!(db.insert_batch(Target::shard(&at), batch(&["a", "b"])).unwrap(), [id("a"), id("b")]);
        assert_eq!(code(db.insert_batch(Target::shard(&at), batch(&["c", "d", "c"]))), "ERR_EXISTS");
        assert_eq!(code(db.insert_batch(Target::shard(&at), batch(&["e", "a"]))), "ERR_EXISTS");
        let wide = vec![(None, payload(&[1.0])), (None, payload(&[1.0, 2.0]))];
        assert_eq!(code(db.insert_batch(Target::shard(&at), wide)), "ERR_DIMENSIONS");
        assert_eq!(db.count(&at).unwrap(), 2);
    });
}

#[test]
fn an_update_leaves_what_is_not_given() {
    both(|db| {
        let at = shard();
        let update = |vector, metadata| db.update(Target::shard(&at), &id("a"), vector, metadata);
        assert_eq!(code(update(Some(bytes(&[1.0])), None)), "ERR_NOT_FOUND");
        db.insert(Target::shard(&at), Some(id("a")), described(&[1.0], r#"{"k":1}"#)).unwrap();
        update(Some(bytes(&[2.0])), None).unwrap();
        update(None, Some(Metadata::new(r#"{"k":2}"#).unwrap())).unwrap();
        update(None, None).unwrap();
        let entry = db.get(Target::shard(&at), &id("a")).unwrap().unwrap();
        assert_eq!((entry.vector, entry.metadata.unwrap().as_str()), (bytes(&[2.0]), r#"{"k":2}"#));
        assert_eq!(code(update(Some(bytes(&[1.0, 2.0])), None)), "ERR_DIMENSIONS");
        assert_eq!(code(update(Some(bytes::Bytes::from_static(&[0, 0, 0xc0, 0x7f])), None)), "ERR_VECTOR");
        delete(db, "a");
        assert_eq!(code(update(Some(bytes(&[1.0])), None)), "ERR_NOT_FOUND");
    });
}

#[test]
fn the_first_vector_fixes_the_dimensions_of_its_shard_alone() {
    both(|db| {
        put(db, "a", &[1.0, 2.0]);
        assert_eq!(code(db.upsert(Target::shard(&shard()), &id("b"), payload(&[1.0]))), "ERR_DIMENSIONS");
        let other = ShardId::new("other").unwrap();
        db.upsert(Target::shard(&other), &id("b"), payload(&[1.0])).unwrap();
        assert_eq!(db.count(&other).unwrap(), 1);
    });
}

#[test]
fn configured_dimensions_hold_from_the_start() {
    let scratch = Scratch::new();
    let dimensions = |count: u32| Dimensions::try_from(count).unwrap();
    let db = VectrDB::new(scratch.config("a.db").dimensions(dimensions(2))).unwrap();
    assert_eq!(code(db.upsert(Target::shard(&shard()), &id("a"), payload(&[1.0]))), "ERR_DIMENSIONS");
    let other = ShardId::new("other").unwrap();
    assert_eq!(code(db.upsert(Target::shard(&other), &id("a"), payload(&[1.0]))), "ERR_DIMENSIONS");
    db.close().unwrap();
    let wrong = VectrDB::new(scratch.config("a.db").dimensions(dimensions(3)));
    assert_eq!(code(wrong), "ERR_DIMENSIONS");
    assert_eq!(
        code(scratch.open("a.db").upsert(Target::shard(&shard()), &id("a"), payload(&[1.0]))),
        "ERR_DIMENSIONS"
    );
}

#[test]
fn search_finds_the_nearest_in_order() {
    both(|db| {
        for (name, vector) in
            [("b", [1.0, 0.0]), ("a", [1.0, 0.0]), ("c", [0.0, 1.0]), ("d", [0.6, 0.8]), ("z", [0.0, 0.0])]
        {
            put(db, name, &vector);
        }
        put(db, "gone", &[1.0, 0.0]);
        delete(db, "gone");
        let found = |search: &Search| -> Vec<String> {
            db.search(search).unwrap().iter().map(|hit| hit.id.to_string()).collect()
        };
        let search = Search::new(shard(), vec![1.0, 0.0]);
        assert_eq!(found(&search), ["a", "b", "d", "c", "z"]);
        assert_eq!(found(search.clone().k(1)), ["a"]);
        assert_eq!(found(search.clone().k(0)), [""; 0]);
        assert_eq!(found(search.clone().threshold(0.5)), ["a", "b", "d"]);
        assert_eq!(found(search.clone().metric(Metric::Euclidean).k(3)), ["a", "b", "d"]);
        let mut dot = Search::new(shard(), vec![0.0, 2.0]);
        dot.metric(Metric::Dot).k(1).include_vectors();
        let hits = db.search(&dot).unwrap();
        assert_eq!((hits[0].id.as_str(), hits[0].similarity, hits[0].distance), ("c", 2.0, -2.0));
        assert_eq!(hits[0].vector, Some(bytes(&[0.0, 1.0])));
    });
}

#[test]
fn a_search_that_fits_no_vector_is_refused() {
    both(|db| {
        let search = Search::new(shard(), vec![1.0]);
        assert!(db.search(&search).unwrap().is_empty());
        put(db, "a", &[1.0, 0.0]);
        assert_eq!(code(db.search(&search)), "ERR_DIMENSIONS");
        assert_eq!(code(db.search(&Search::new(shard(), vec![]))), "ERR_DIMENSIONS");
        assert_eq!(code(db.search(&Search::new(shard(), vec![1.0, f32::NAN]))), "ERR_VECTOR");
    });
}

#[test]
fn a_cancelled_search_stops() {
    both(|db| {
        let vectors = (0..600).map(|_| (None, payload(&[1.0]))).collect();
        db.insert_batch(Target::shard(&shard()), vectors).unwrap();
        let cancel = Arc::new(AtomicBool::new(false));
        let mut search = Search::new(shard(), vec![1.0]);
        search.cancel(Arc::clone(&cancel));
        assert_eq!(db.search(&search).unwrap().len(), 10);
        cancel.store(true, Ordering::Relaxed);
        assert_eq!(code(db.search(&search)), "ERR_ABORTED");
    });
}

#[test]
fn an_iteration_shows_one_moment_in_the_order_of_ids() {
    both(|db| {
        for name in ["c", "a", "e", "b", "d"] {
            put(db, name, &[1.0]);
        }
        delete(db, "b");
        let mut iteration = db.iterate(&shard(), true).unwrap();
        let first = iteration.next_page(2).unwrap();
        put(db, "aa", &[2.0]);
        delete(db, "e");
        let rest = iteration.next_page(100).unwrap();
        let names: Vec<&str> = first.iter().chain(&rest).map(|listed| listed.id.as_str()).collect();
        assert_eq!((names, first.len()), (vec!["a", "c", "d", "e"], 2));
        assert_eq!(first[0].vector, Some(bytes(&[1.0])));
        assert!(iteration.next_page(1).unwrap().is_empty());
        let unknown = ShardId::new("unknown").unwrap();
        assert!(db.iterate(&unknown, false).unwrap().next_page(9).unwrap().is_empty());
    });
}

#[test]
fn a_transaction_is_seen_by_others_only_after_its_commit() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    let at = shard();
    let transaction = db.begin().unwrap();
    let inside = Target { shard: &at, transaction: Some(transaction) };
    db.insert(inside, Some(id("a")), payload(&[1.0])).unwrap();
    assert_eq!(code(db.insert(inside, Some(id("a")), payload(&[1.0]))), "ERR_EXISTS");
    assert!(db.get(inside, &id("a")).unwrap().is_some());
    assert_eq!((shown(&db, "a"), db.count(&at).unwrap()), (None, 0));
    db.commit(transaction).unwrap();
    assert_eq!(shown(&db, "a"), Some(vec![1.0]));
    assert_eq!(code(db.commit(transaction)), "ERR_TRANSACTION");
    assert_eq!(code(db.upsert(inside, &id("b"), payload(&[1.0]))), "ERR_TRANSACTION");
}

#[test]
fn only_one_transaction_is_open_and_others_wait_for_a_bounded_time() {
    let scratch = Scratch::new();
    let patience = std::time::Duration::from_millis(30);
    let db = VectrDB::new(scratch.config("a.db").busy_timeout(patience)).unwrap();
    let transaction = db.begin().unwrap();
    assert_eq!(code(db.begin()), "ERR_TRANSACTION");
    let waited = db.upsert(Target::shard(&shard()), &id("a"), payload(&[1.0])).unwrap_err();
    assert!(waited.code() == "ERR_BUSY" && waited.is_transient(), "{waited}");
    db.rollback(transaction).unwrap();
    put(&db, "a", &[1.0]);
}

#[test]
fn who_waits_for_a_transaction_goes_on_after_it() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    let transaction = db.begin().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| put(&db, "late", &[1.0]));
        let at = Target { shard: &shard(), transaction: Some(transaction) };
        db.upsert(at, &id("early"), payload(&[2.0])).unwrap();
        db.commit(transaction).unwrap();
        waiting.join().unwrap();
    });
    assert_eq!((shown(&db, "early"), shown(&db, "late")), (Some(vec![2.0]), Some(vec![1.0])));
}

#[test]
fn a_rollback_takes_change_ids_and_stamps_back() {
    both(|db| {
        let at = shard();
        put(db, "a", &[1.0]);
        let before = (db.shard_statistics(&at).unwrap(), db.digest(&at).unwrap(), db.commit_no());
        let transaction = db.begin().unwrap();
        let inside = Target { shard: &at, transaction: Some(transaction) };
        for name in ["a", "b", "c"] {
            db.upsert(inside, &id(name), payload(&[9.0])).unwrap();
        }
        db.rollback(transaction).unwrap();
        assert_eq!((db.shard_statistics(&at).unwrap(), db.digest(&at).unwrap(), db.commit_no()), before);
        put(db, "b", &[2.0]);
        assert_eq!(db.shard_statistics(&at).unwrap().change_id, before.0.change_id + 1);
        assert_eq!(shown(db, "a"), Some(vec![1.0]));
    });
}

#[test]
fn a_refused_call_leaves_its_transaction_open_and_whole() {
    both(|db| {
        let at = shard();
        let transaction = db.begin().unwrap();
        let inside = Target { shard: &at, transaction: Some(transaction) };
        db.upsert(inside, &id("a"), payload(&[1.0])).unwrap();
        let batch = vec![(Some(id("b")), payload(&[1.0])), (Some(id("a")), payload(&[1.0]))];
        assert_eq!(code(db.insert_batch(inside, batch)), "ERR_EXISTS");
        db.upsert(inside, &id("c"), payload(&[1.0])).unwrap();
        db.commit(transaction).unwrap();
        assert_eq!((shown(db, "a").is_some(), shown(db, "b"), shown(db, "c").is_some()), (true, None, true));
        let status = db.shard_statistics(&at).unwrap();
        assert_eq!((status.change_id, status.vectors, status.version_vector[0].1), (2, 2, 2));
    });
}

#[test]
fn stamps_grow_even_when_the_clock_stands_still() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let db = scratch.open_at("a.db", &wall);
    let stamps: Vec<u64> = (0..3)
        .map(|_| {
            put(&db, "a", &[1.0]);
            db.get(Target::shard(&shard()), &id("a")).unwrap().unwrap().timestamp.as_micros()
        })
        .collect();
    assert_eq!(stamps, [Wall::START, Wall::START + 1, Wall::START + 2]);
}

#[test]
fn a_node_keeps_its_name() {
    let scratch = Scratch::new();
    let name = |text| NodeName::new(text).unwrap();
    let db = scratch.open("a.db");
    assert_eq!(db.node(), None);
    db.name_node(&name("node-1")).unwrap();
    db.name_node(&name("node-1")).unwrap();
    assert_eq!(code(db.name_node(&name("node-2"))), "ERR_NODE_ID");
    db.close().unwrap();
    assert_eq!(scratch.open("a.db").node(), Some(name("node-1")));
    assert_eq!(code(VectrDB::new(scratch.config("a.db").node(name("node-2")))), "ERR_NODE_ID");
}

#[test]
fn the_default_shard_is_the_files_stem_and_is_recorded() {
    let scratch = Scratch::new();
    let open = |name: &str| VectrDB::new(Config::file(scratch.path(name))).unwrap();
    let db = open("agent_001.db");
    assert_eq!(db.default_shard().as_str(), "agent_001");
    db.close().unwrap();
    std::fs::rename(scratch.path("agent_001.db"), scratch.path("other.db")).unwrap();
    assert_eq!(open("other.db").default_shard().as_str(), "agent_001");
    assert_eq!(VectrDB::new(Config::default()).unwrap().default_shard().as_str(), "default");
}

#[test]
fn a_closed_database_refuses_everything() {
    both(|db| {
        let db = db.clone();
        put(&db, "a", &[1.0]);
        let mut iteration = db.iterate(&shard(), false).unwrap();
        db.close().unwrap();
        db.close().unwrap();
        assert_eq!(code(iteration.next_page(1)), "ERR_CLOSED");
        assert_eq!(code(db.get(Target::shard(&shard()), &id("a"))), "ERR_CLOSED");
        assert_eq!(code(db.insert(Target::shard(&shard()), None, payload(&[1.0]))), "ERR_CLOSED");
        assert_eq!(code(db.query("SELECT 1", vec![])), "ERR_CLOSED");
        assert_eq!(code(db.begin()), "ERR_CLOSED");
        assert_eq!(code(db.await_durable(1)), "ERR_CLOSED");
    });
}

#[test]
fn large_vectors_and_metadata_come_back_whole() {
    both(|db| {
        let components: Vec<f32> = (0..Dimensions::MAX).map(|i| i as f32).collect();
        let text = format!(r#"{{"a":"{}"}}"#, "é".repeat(100_000));
        let large = Payload::from_components(&components, Some(Metadata::new(&text).unwrap())).unwrap();
        db.upsert(Target::shard(&shard()), &id("large"), large.clone()).unwrap();
        let entry = db.get(Target::shard(&shard()), &id("large")).unwrap().unwrap();
        assert_eq!(entry.vector, large.vector());
        assert_eq!(entry.metadata.as_ref(), large.metadata());
    });
}
