//! How long an id of a conflict stays good.

use std::path::Path;

use crate::support::cluster::{Cluster, NOW};
use crate::support::sync::sync;
use crate::support::{Scratch, Wall, assert_sound, id, payload, put, shard, shown};
use rusqlite::Connection;
use vectr_core::VectrDB;
use vectr_delta::{ConflictId, LocalWrite, Strategy};

fn divided(count: usize) -> Cluster {
    let cluster = Cluster::new(count);
    for (number, db) in cluster.nodes.iter().enumerate() {
        db.set_strategy(&shard(), Strategy::Manual).unwrap();
        put(db, "same", &[number as f32]);
    }
    cluster.settle();
    cluster
}

/// Another node comes with a version of its own.
fn join_stranger(db: &VectrDB, number: u8) {
    let scratch = Scratch::new();
    let stranger = scratch.open_at("stranger.db", &Wall::new());
    put(&stranger, "same", &[f32::from(number)]);
    sync(&shard(), (db, 0), (&stranger, number), NOW);
}

fn pending(db: &VectrDB) -> ConflictId {
    let conflicts = db.pending_conflicts(None).unwrap();
    assert_eq!(conflicts.len(), 1);
    conflicts[0].conflict
}

fn choose(value: f32) -> LocalWrite {
    LocalWrite::Put(payload(&[value]))
}

/// Of a closed database.
fn records(path: &Path) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row("SELECT count(*) FROM conflict", [], |row| row.get(0)).unwrap()
}

#[test]
fn an_id_from_before_a_restart_and_before_another_version_still_says_what_it_showed() {
    let mut cluster = divided(2);
    let listed = pending(&cluster.nodes[0]);
    cluster.reopen(0);
    assert_eq!(pending(&cluster.nodes[0]), listed);
    join_stranger(&cluster.nodes[0], 9);
    cluster.reopen(0);
    let db = &cluster.nodes[0];
    assert_ne!(pending(db), listed);
    let left = db.resolve_conflict(&listed, None, choose(5.0)).unwrap().unwrap();
    let mut values: Vec<f32> =
        left.row.siblings().iter().flat_map(|sibling| sibling.payload().unwrap().components()).collect();
    values.sort_by(f32::total_cmp);
    assert_eq!(values, [5.0, 9.0]);
    cluster.settle();
    assert_eq!(pending(&cluster.nodes[1]), left.conflict);
}

#[test]
fn settled_rows_leave_no_record() {
    let mut cluster = divided(3);
    join_stranger(&cluster.nodes[0], 9);
    let conflict = pending(&cluster.nodes[0]);
    cluster.settle();
    cluster.nodes[0].resolve_conflict(&conflict, None, choose(1.0)).unwrap();
    cluster.settle();
    for (number, db) in cluster.nodes.iter_mut().enumerate() {
        db.close().unwrap();
        assert_eq!(records(&cluster.scratch.path(&format!("{number}.db"))), 0);
    }
}

#[test]
fn the_newest_64_ids_of_a_vector_are_known() {
    let cluster = divided(2);
    let db = &cluster.nodes[0];
    let mut ids = vec![pending(db)];
    for number in 10..79 {
        join_stranger(db, number);
        ids.push(pending(db));
    }
    assert_eq!(ids.len(), 70);
    let error = db.resolve_conflict(&ids[5], None, choose(1.0)).unwrap_err();
    assert_eq!(error.code(), "ERR_NOT_FOUND");
    // It showed all but the newest 63.
    let left = db.resolve_conflict(&ids[6], None, choose(1.0)).unwrap().unwrap();
    assert_eq!(left.row.siblings().len(), 63 + 1);
    assert!(db.resolve_conflict(&left.conflict, None, choose(2.0)).unwrap().is_none());
    db.close().unwrap();
    assert_eq!(records(&cluster.scratch.path("0.db")), 0);
}

#[test]
fn an_id_goes_on_in_a_backup() {
    let cluster = divided(2);
    let listed = pending(&cluster.nodes[0]);
    join_stranger(&cluster.nodes[0], 9);
    cluster.nodes[0].backup(&cluster.scratch.path("copy.db")).unwrap();
    let copy = cluster.scratch.open("copy.db");
    assert_eq!(copy.resolve_conflict(&listed, None, choose(5.0)).unwrap().unwrap().row.siblings().len(), 2);
    assert_sound(&copy);
}

#[test]
fn a_write_that_is_rolled_back_leaves_the_records_as_they_were() {
    let cluster = divided(2);
    let db = &cluster.nodes[0];
    let listed = pending(db);
    let transaction = db.begin().unwrap();
    let shard = shard();
    let at = vectr_core::Target { shard: &shard, transaction: Some(transaction) };
    db.upsert(at, &id("same"), payload(&[3.0])).unwrap();
    db.rollback(transaction).unwrap();
    assert_eq!(pending(db), listed);
    assert!(db.resolve_conflict(&listed, None, choose(5.0)).unwrap().is_none());
}

/// The same content in a file of the first schema, as an earlier build left it.
fn write_first_schema(from: &Path, to: &Path) {
    let connection = Connection::open(to).unwrap();
    connection.execute_batch("PRAGMA page_size = 16384; PRAGMA journal_mode = WAL").unwrap();
    connection.execute_batch(include_str!("../../../src/storage/migrations/0001_shards.sql")).unwrap();
    connection.execute_batch("PRAGMA application_id = 0x76637472; PRAGMA user_version = 1").unwrap();
    connection.execute("ATTACH ?1 AS present", [from.to_str().unwrap()]).unwrap();
    let columns = "one, site, changelog, token, node, shard, last_stamp, change_id, commit_no, last_applied_at, barriers";
    let counter = format!("INSERT INTO counter SELECT {columns} FROM present.counter");
    connection.execute_batch(&counter).unwrap();
    for table in ["site", "shard", "row", "sibling", "cursor"] {
        connection.execute_batch(&format!("INSERT INTO {table} SELECT * FROM present.{table}")).unwrap();
    }
    connection.close().unwrap();
}

/// A node whose conflict no record knows of, and the conflict's id.
fn migrated() -> (Cluster, VectrDB, ConflictId) {
    let cluster = divided(2);
    let listed = pending(&cluster.nodes[0]);
    let digest = cluster.nodes[0].digest(&shard()).unwrap();
    cluster.nodes[0].close().unwrap();
    let path = cluster.scratch.path("first.db");
    write_first_schema(&cluster.scratch.path("0.db"), &path);
    let db = cluster.scratch.open_at("first.db", &cluster.wall);
    assert_eq!(db.digest(&shard()).unwrap(), digest);
    let version = db.query("PRAGMA user_version", vec![]).unwrap().rows;
    assert_eq!(version, [[vectr_core::Value::Integer(10)]]);
    assert_sound(&db);
    (cluster, db, listed)
}

#[test]
fn a_file_of_the_first_schema_shows_its_conflicts_and_has_them_settled() {
    let (cluster, db, listed) = migrated();
    let conflicts = db.pending_conflicts(None).unwrap();
    assert_eq!(conflicts[0].conflict, listed);
    assert!(conflicts[0].detected_at > vectr_delta::Timestamp::default());
    let unknown: ConflictId = "ffffffffffffffffffffffffffffffff".parse().unwrap();
    assert_eq!(db.resolve_conflict(&unknown, None, choose(5.0)).unwrap_err().code(), "ERR_NOT_FOUND");
    let wrong = db.resolve_conflict(&listed, Some((&shard(), &id("other"))), choose(5.0)).unwrap_err();
    assert_eq!(wrong.code(), "ERR_ARGUMENT");
    assert!(db.resolve_conflict(&listed, None, choose(5.0)).unwrap().is_none());
    sync(&shard(), (&db, 5), (&cluster.nodes[1], 1), NOW);
    assert_eq!(shown(&cluster.nodes[1], "same"), Some(vec![5.0]));
    assert_eq!(db.digest(&shard()).unwrap(), cluster.nodes[1].digest(&shard()).unwrap());
}

#[test]
fn an_id_from_a_file_of_the_first_schema_outlives_the_next_version() {
    let (_cluster, db, listed) = migrated();
    let detected = db.pending_conflicts(None).unwrap()[0].detected_at;
    join_stranger(&db, 9);
    assert!(db.pending_conflicts(None).unwrap()[0].detected_at > detected);
    let left = db.resolve_conflict(&listed, None, choose(5.0)).unwrap().unwrap();
    assert_eq!(left.row.siblings().len(), 2);
}

#[test]
fn a_file_of_the_first_schema_that_cannot_be_migrated_is_left_as_it_was() {
    let cluster = divided(2);
    cluster.nodes[0].close().unwrap();
    let path = cluster.scratch.path("first.db");
    write_first_schema(&cluster.scratch.path("0.db"), &path);
    // Someone's own table is in the way of the second step.
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE sync_session (mine)").unwrap();
    assert_eq!(VectrDB::new(cluster.scratch.config("first.db")).unwrap_err().code(), "ERR_STORAGE");
    let connection = Connection::open(&path).unwrap();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'conflict'", [], |row| row.get(0))
        .unwrap();
    assert_eq!((version, tables), (1, 0));
    connection.execute_batch("DROP TABLE sync_session").unwrap();
    connection.close().unwrap();
    assert_eq!(cluster.scratch.open("first.db").conflicts(None).unwrap().len(), 1);
}
