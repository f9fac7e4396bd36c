//! Databases that are opened for reading only.

mod company;
mod places;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use vectr_core::replication::{restore_session, serve_blocking};
use vectr_core::{Config, DeltaScope, QueryOptions, Search, Target, TransactionId, VectrDB};
use vectr_delta::{LocalWrite, NodeName, ShardId, StoreReply, StoreRequest, Strategy};

use crate::support::{Scratch, id, payload, put, shard, shown};

fn read_only(path: &Path) -> Config {
    let mut config = Config::file(path);
    config.read_only();
    config
}

fn open(path: &Path) -> VectrDB {
    VectrDB::new(read_only(path)).unwrap()
}

/// Two components, the first of which is the number of the row.
fn fill(db: &VectrDB, numbers: std::ops::Range<u16>) {
    for n in numbers {
        put(db, &format!("v{n}"), &[f32::from(n), 1.0]);
    }
}

/// Everything that lies beside the databases: names and contents.
fn folder(scratch: &Scratch) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(scratch.path("")).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    entries.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

/// What a killed process leaves of a database with ten vectors, as `a.db`.
fn killed(scratch: &Scratch, suffixes: &[&str]) {
    let db = scratch.open("open.db");
    fill(&db, 0..10);
    for suffix in suffixes {
        fs::copy(scratch.path(&format!("open.db{suffix}")), scratch.path(&format!("a.db{suffix}"))).unwrap();
    }
    db.close().unwrap();
}

/// Reads in every way, and returns the number of vectors.
fn read_all(db: &VectrDB) -> u64 {
    let count = db.count(&shard()).unwrap();
    let mut search = Search::new(shard(), vec![0.0, 1.0]);
    let found = db.search(search.k(100_000)).unwrap();
    assert_eq!(found.len() as u64, count);
    assert_eq!(&*found[0].id, "v0");
    assert_eq!(shown(db, "v3"), Some(vec![3.0, 1.0]));
    assert_eq!(db.iterate(&shard(), true).unwrap().next_page(100_000).unwrap().len() as u64, count);
    let rows = db.query("SELECT count(*) FROM vectors", Vec::new()).unwrap();
    assert_eq!(rows.rows, [[vectr_core::Value::Integer(count as i64)]]);
    let mut feed = db.changes(&shard(), Some(0)).unwrap();
    let mut read = 0;
    while let Some(delta) = feed.read().unwrap() {
        read += vectr_delta::changes::decode_rows(&delta).unwrap().rows.len() as u64;
    }
    assert_eq!(read, count);
    assert_eq!(db.overview().unwrap().shards[0].vectors, count);
    assert_eq!(db.shards().unwrap(), [shard()]);
    assert!(db.conflicts(None).unwrap().is_empty());
    assert!(!db.compute_delta(&shard(), 0, &DeltaScope::default()).unwrap().is_empty());
    assert!(db.storage_statistics().file_bytes > 0);
    count
}

#[test]
fn all_that_reads_works_and_nothing_is_left_beside_the_file() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    fill(&db, 0..10);
    let (site, digest) = (db.site(), db.digest(&shard()).unwrap());
    db.close().unwrap();
    let before = folder(&scratch);
    let reader = open(&scratch.path("a.db"));
    assert!(reader.is_read_only() && !scratch.open("b.db").is_read_only());
    assert_eq!((read_all(&reader), reader.site(), reader.digest(&shard()).unwrap()), (10, site, digest));
    assert_eq!((reader.default_shard(), reader.commit_no() > 0), (&shard(), true));
    reader.close().unwrap();
    assert_eq!(reader.count(&shard()).unwrap_err().code(), "ERR_CLOSED");
    let left = folder(&scratch);
    assert!(before.iter().all(|(name, bytes)| left.get(name) == Some(bytes)));
    assert!(left.keys().filter(|name| !name.starts_with("b.db")).eq(before.keys()));
}

#[test]
fn every_call_that_writes_is_refused_and_says_how_to_write() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    fill(&db, 0..10);
    let delta = db.compute_delta(&shard(), 0, &DeltaScope::default()).unwrap();
    db.close().unwrap();
    let before = folder(&scratch);
    let db = open(&scratch.path("a.db"));
    let (shard, row, node) = (shard(), id("v1"), NodeName::new("reader").unwrap());
    let at = Target::shard(&shard);
    let claim = [("00000000000000ff".to_owned(), 7)];
    let begun = std::sync::mpsc::channel();
    db.begin_in_turn(move |outcome| begun.0.send(outcome).unwrap());
    let transaction: TransactionId = {
        let other = scratch.open("b.db");
        other.begin().unwrap()
    };
    let calls = [
        ("insert", db.insert(at, None, payload(&[1.0, 2.0])).map(drop)),
        ("upsert", db.upsert(at, &row, payload(&[1.0, 2.0]))),
        ("insert_batch", db.insert_batch(at, vec![(None, payload(&[1.0, 2.0]))]).map(drop)),
        ("update", db.update(at, &row, None, None)),
        ("delete", db.delete(at, &row).map(drop)),
        ("delete of nothing", db.delete(at, &id("none")).map(drop)),
        ("set_strategy", db.set_strategy(&shard, Strategy::Manual)),
        ("apply_delta", db.apply_delta(&shard, &delta).map(drop)),
        ("advance_version_vector", db.advance_version_vector(&shard, &claim)),
        ("name_node", db.name_node(&node)),
        (
            "resolve_conflict",
            db.resolve_conflict(&"00".repeat(16).parse().unwrap(), None, LocalWrite::Delete).map(drop),
        ),
        ("begin", db.begin().map(drop)),
        ("begin_in_turn", begun.1.recv().unwrap().map(drop)),
        ("commit", db.commit(transaction)),
        ("rollback", db.rollback(transaction)),
        (
            "get in a transaction",
            db.get(Target { shard: &shard, transaction: Some(transaction) }, &row).map(drop),
        ),
        ("await_durable", db.await_durable(1).map(drop)),
        ("prepare_repair", db.prepare_repair().map(drop)),
        ("restore_session", restore_session(&db).map(drop)),
        ("shard handle", db.shard("notes").unwrap().upsert("v1", &[1.0, 2.0])),
        ("transaction", db.transaction(|_| Ok(()))),
    ];
    for (call, outcome) in calls {
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), "ERR_READ_ONLY", "{call}: {error}");
        let text = error.to_string();
        assert!(text.contains("a.db") && text.contains("without readOnly"), "{call}: {text}");
    }
    let reply = serve_blocking(&db, &shard, StoreRequest::AwaitDurable(1));
    assert!(matches!(reply, StoreReply::Failed { ref code, .. } if code == "ERR_READ_ONLY"), "{reply:?}");
    for sql in
        ["DELETE FROM row", "PRAGMA wal_checkpoint", "PRAGMA user_version = 3", "VACUUM", "BEGIN IMMEDIATE"]
    {
        assert_eq!(db.query(sql, Vec::new()).unwrap_err().code(), "ERR_ARGUMENT", "{sql}");
    }
    assert_eq!(read_all(&db), 10);
    db.close().unwrap();
    let left = folder(&scratch);
    assert!(before.iter().all(|(name, bytes)| left.get(name) == Some(bytes)));
}

#[test]
fn what_cannot_be_opened_for_reading_is_refused_and_left_as_it_is() {
    let scratch = Scratch::new();
    scratch.open("good.db").close().unwrap();
    fs::write(scratch.path("empty.db"), "").unwrap();
    fs::write(scratch.path("text.db"), "no database ".repeat(20)).unwrap();
    fs::create_dir(scratch.path("folder.db")).unwrap();
    let other = rusqlite::Connection::open(scratch.path("other.db")).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    other.close().unwrap();
    for (name, version) in [("older.db", 7), ("newer.db", 99)] {
        fs::copy(scratch.path("good.db"), scratch.path(name)).unwrap();
        let raw = rusqlite::Connection::open(scratch.path(name)).unwrap();
        raw.execute_batch(&format!("PRAGMA journal_mode = DELETE; PRAGMA user_version = {version}")).unwrap();
        raw.close().unwrap();
    }
    fs::copy(scratch.path("good.db"), scratch.path("linked.db")).unwrap();
    fs::hard_link(scratch.path("linked.db"), scratch.path("link.db")).unwrap();
    fs::copy(scratch.path("good.db"), scratch.path("cut.db")).unwrap();
    fs::OpenOptions::new().write(true).open(scratch.path("cut.db")).unwrap().set_len(20_000).unwrap();
    let before = fs::read_dir(scratch.path("")).unwrap().count();
    for (name, code, words) in [
        ("missing.db", "ERR_ARGUMENT", "not there"),
        ("nowhere/missing.db", "ERR_ARGUMENT", "not there"),
        ("empty.db", "ERR_ARGUMENT", "empty"),
        ("text.db", "ERR_ARGUMENT", "not a SQLite database"),
        ("folder.db", "ERR_ARGUMENT", "a folder"),
        ("other.db", "ERR_CONFIG", "another program"),
        ("older.db", "ERR_CONFIG", "open it once for writing"),
        ("newer.db", "ERR_CONFIG", "newer build"),
        ("link.db", "ERR_ARGUMENT", "hard links"),
        ("cut.db", "ERR_STORAGE", "cut.db"),
    ] {
        let error = VectrDB::new(read_only(&scratch.path(name))).unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
    assert_eq!(fs::read_dir(scratch.path("")).unwrap().count(), before);
    assert!(!scratch.path("nowhere").exists());
    let error = VectrDB::new(Config::default().read_only()).unwrap_err();
    assert_eq!(error.code(), "ERR_ARGUMENT", "{error}");
}

#[test]
fn a_name_dimensions_and_a_shard_are_checked_and_never_written() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    fill(&db, 0..10);
    db.close().unwrap();
    let given = |change: &dyn Fn(&mut Config)| {
        let mut config = read_only(&scratch.path("a.db"));
        change(&mut config);
        VectrDB::new(config)
    };
    let name = NodeName::new("agent").unwrap();
    let dimensions = |count: u32| count.try_into().unwrap();
    let code = |outcome: Result<VectrDB, vectr_core::CoreError>| outcome.unwrap_err().code();
    assert_eq!(code(given(&|config| _ = config.node(name.clone()))), "ERR_READ_ONLY");
    assert_eq!(code(given(&|config| _ = config.dimensions(dimensions(3)))), "ERR_DIMENSIONS");
    let other = ShardId::new("other").unwrap();
    let db = given(&|config| _ = config.shard(other.clone()).dimensions(dimensions(3))).unwrap();
    assert_eq!((db.default_shard(), db.count(&other).unwrap()), (&other, 0));
    assert!(!db.has_shard(&other).unwrap());
    drop(db);
    scratch.open("a.db").name_node(&name).unwrap();
    let db = given(&|config| _ = config.node(name.clone()).dimensions(dimensions(2))).unwrap();
    assert_eq!(db.node(), Some(name));
    drop(db);
    let wrong = NodeName::new("wrong").unwrap();
    assert_eq!(code(given(&|config| _ = config.node(wrong.clone()))), "ERR_NODE_ID");
}

#[test]
fn a_backup_is_made_of_a_file_that_is_only_read() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    fill(&db, 0..10);
    let reader = open(&scratch.path("a.db"));
    reader.backup(&scratch.path("beside.db")).unwrap();
    db.close().unwrap();
    drop(reader);
    let reader = open(&scratch.path("a.db"));
    reader.backup(&scratch.path("alone.db")).unwrap();
    for name in ["beside.db", "alone.db"] {
        assert_eq!(read_all(&open(&scratch.path(name))), 10);
        let copy = scratch.open(name);
        assert_ne!(copy.site(), reader.site());
        assert_eq!(copy.digest(&shard()).unwrap(), reader.digest(&shard()).unwrap());
    }
}

#[test]
fn a_query_has_its_limits() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    fill(&db, 0..10);
    db.close().unwrap();
    let db = open(&scratch.path("a.db"));
    let mut options = QueryOptions::default();
    options.max_rows = 5;
    let refused = db.query_with("SELECT id FROM vectors", Vec::new(), &options).unwrap_err();
    assert_eq!(refused.code(), "ERR_LIMIT");
}
