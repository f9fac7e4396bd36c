//! A file against its own digest, after somebody has altered it behind the database's back.

use std::fs;
use std::path::Path;

use crate::support::cluster::Cluster;
use crate::support::{Scratch, delete, described, id, put, shard};
use rusqlite::Connection;
use vectr_core::{Fault, FaultKind, Inspection, Target, Verification};

/// A closed database of 50 vectors, one of them deleted.
fn written(scratch: &Scratch) -> std::path::PathBuf {
    let db = scratch.open("a.db");
    for n in 0..50_u16 {
        let vector = described(&[f32::from(n), 1.0, 2.0], &format!(r#"{{"n":{n}}}"#));
        db.upsert(Target::shard(&shard()), &id(&format!("v{n}")), vector).unwrap();
    }
    assert!(delete(&db, "v7"));
    db.close().unwrap();
    scratch.path("a.db")
}

/// The first byte of a page of SQLite that holds the end of an index.
const INDEX_LEAF: u8 = 0x0a;

fn verified(path: &Path) -> Verification {
    Inspection::open(path).unwrap().verify().unwrap()
}

fn alter(path: &Path, sql: &str) {
    let raw = Connection::open(path).unwrap();
    raw.execute_batch(sql).unwrap();
    raw.close().unwrap();
}

fn faults(path: &Path, sql: &str) -> Vec<Fault> {
    alter(path, sql);
    let found = verified(path);
    assert!(!found.is_sound());
    found.faults
}

#[test]
fn a_file_that_nobody_touched_is_sound() {
    let scratch = Scratch::new();
    let found = verified(&written(&scratch));
    assert_eq!(found.faults, []);
    assert_eq!((found.shards.len(), found.shards[0].rows), (1, 50));
    assert_eq!(found.shards[0].stored, found.shards[0].computed);
    assert_eq!(found.shards[0].stored.rows(), 49, "the tombstone counts in no digest");
}

#[test]
fn what_was_altered_in_a_row_is_named() {
    // What, and whether the digest differs too: it is made of the hashes that are kept.
    let alterations = [
        ("a flipped bit of a vector", "vector = x'0000803f0000803f00000041'", false),
        ("a vector cut short", "vector = substr(vector, 1, 8)", false),
        ("metadata", "metadata = '{\"n\":4}'", false),
        ("metadata removed", "metadata = NULL", false),
        ("the hash", "hash = zeroblob(16)", true),
        ("no hash", "hash = NULL", true),
        ("another operation", "operation = 2", true),
        ("the time", "timestamp = timestamp + 1", true),
        ("the number", "seq = seq + 1000", true),
        ("the id", "id = 'other'", true),
        ("the number of versions", "versions = 2", false),
        ("the site", "site = 77", true),
        ("the change id", "change_id = 100000", false),
    ];
    for (what, alteration, digest) in alterations {
        let scratch = Scratch::new();
        let path = written(&scratch);
        let found = faults(&path, &format!("UPDATE row SET {alteration} WHERE id = 'v3'"));
        assert_eq!(found.iter().any(|fault| fault.kind == FaultKind::Digest), digest, "{what}: {found:?}");
        let rows: Vec<_> = found.iter().filter(|fault| fault.kind == FaultKind::Row).collect();
        let silent = ["another operation", "the time", "the id"].contains(&what);
        assert_eq!(rows.len(), usize::from(!silent), "{what}: {found:?}");
        for row in rows {
            assert_eq!((row.vector.as_deref(), row.shard.as_ref()), (Some("v3"), Some(&shard())), "{what}");
        }
    }
}

#[test]
fn a_row_that_is_missing_or_too_many_shows_in_the_digest() {
    let alterations = [
        ("DELETE FROM row WHERE id = 'v3'", "1 rows are missing"),
        ("DELETE FROM row WHERE id < 'v3'", "rows are missing"),
        (
            "INSERT INTO row (shard, change_id, versions, site, seq, timestamp, operation, applied_at, id, hash, vector) \
             SELECT shard, 0, 1, site, seq, timestamp, operation, applied_at, 'new', hash, vector FROM row WHERE id = 'v3'",
            "1 rows are too many",
        ),
        ("UPDATE shard SET digest = zeroblob(40)", "49 rows are too many"),
    ];
    for (alteration, reason) in alterations {
        let scratch = Scratch::new();
        let path = written(&scratch);
        let found = faults(&path, alteration);
        let digest = found.iter().find(|fault| fault.kind == FaultKind::Digest).unwrap();
        assert!(digest.reason.contains(reason), "{digest}");
        assert_eq!(digest.shard.as_ref(), Some(&shard()));
    }
}

#[test]
fn a_flipped_byte_in_the_file_itself_is_found() {
    let scratch = Scratch::new();
    let path = written(&scratch);
    let mut bytes = fs::read(&path).unwrap();
    // SQLite leaves stale copies where pages were divided.
    while let Some(metadata) = bytes.windows(8).position(|window| window == br#"{"n":33}"#) {
        bytes[metadata + 5] ^= 1;
    }
    fs::write(&path, &bytes).unwrap();
    let found = verified(&path);
    assert_eq!(found.faults.len(), 1, "{:?}", found.faults);
    assert_eq!(found.faults[0].vector.as_deref(), Some("v33"));
    assert!(
        found.faults[0].to_string().starts_with("row, shard 'notes', vector 'v33': version "),
        "{:?}",
        found.faults
    );
}

#[test]
fn a_damaged_structure_is_found() {
    let scratch = Scratch::new();
    let path = written(&scratch);
    let mut bytes = fs::read(&path).unwrap();
    let is_index = |page: &&mut [u8]| page[0] == INDEX_LEAF && page.windows(3).any(|id| id == b"v33");
    let page = bytes.chunks_mut(16 * 1024).find(is_index).unwrap();
    let at = page.windows(3).position(|id| id == b"v33").unwrap();
    page[at] ^= 2;
    fs::write(&path, &bytes).unwrap();
    let found = verified(&path).faults;
    assert!(found.iter().any(|fault| fault.kind == FaultKind::File), "{found:?}");

    bytes[100..200].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let error = Inspection::open(&path).and_then(|inspection| inspection.verify()).unwrap_err();
    assert_eq!(error.code(), "ERR_STORAGE", "nothing of it can be read");
}

#[test]
fn concurrent_versions_are_checked_too() {
    let alterations = [
        ("UPDATE sibling SET vector = x'0000a040'", "has another hash", FaultKind::Row),
        ("DELETE FROM sibling", "2 versions should stand, and 1 are there", FaultKind::Row),
        ("UPDATE sibling SET row = 999", "belong to no row", FaultKind::File),
    ];
    for (alteration, reason, kind) in alterations {
        let cluster = Cluster::new(2);
        for (number, db) in cluster.nodes.iter().enumerate() {
            put(db, "same", &[number as f32]);
        }
        cluster.settle();
        cluster.nodes[0].close().unwrap();
        let path = cluster.scratch.path("0.db");
        assert!(verified(&path).is_sound());
        let found = faults(&path, alteration);
        let named = found.iter().find(|fault| fault.reason.contains(reason));
        assert_eq!(named.unwrap().kind, kind, "{found:?}");
    }
}

#[test]
fn more_faults_than_can_be_listed_are_counted() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    let transaction = db.begin().unwrap();
    for n in 0..1200 {
        let (at, vector) =
            (Target { shard: &shard(), transaction: Some(transaction) }, crate::support::payload(&[1.0]));
        db.upsert(at, &id(&format!("v{n}")), vector).unwrap();
    }
    db.commit(transaction).unwrap();
    db.close().unwrap();
    alter(&scratch.path("a.db"), "UPDATE row SET vector = x'00000000'");
    let found = verified(&scratch.path("a.db"));
    assert_eq!((found.faults.len(), found.omitted), (1000, 200));
}

#[test]
fn a_database_in_use_is_looked_at_and_left_as_it_is() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "one", &[1.0]);
    let (site, change) = (db.site(), db.shard_statistics(&shard()).unwrap().change_id);
    let inspection = Inspection::open(&scratch.path("a.db")).unwrap();
    assert!(inspection.verify().unwrap().is_sound());
    assert_eq!(inspection.overview().unwrap().shards[0].vectors, 1);
    put(&db, "two", &[2.0]);
    let overview = inspection.overview().unwrap();
    assert_eq!((overview.site, overview.shards[0].vectors), (site, 2));
    assert_eq!(Some(overview), db.overview().ok());
    drop(inspection);
    db.close().unwrap();

    assert!(verified(&scratch.path("a.db")).is_sound());
    let again = scratch.open("a.db");
    assert_eq!(again.site(), site, "a look takes no site");
    assert_eq!(again.shard_statistics(&shard()).unwrap().change_id, change + 1);
}

#[test]
fn a_copy_is_looked_at_and_stays_a_copy() {
    let scratch = Scratch::new();
    let path = written(&scratch);
    let copy = scratch.path("copy.db");
    crate::support::copy_database(&path, &copy);
    let before = fs::read(&copy).unwrap();
    assert!(verified(&copy).is_sound());
    assert_eq!(fs::read(&copy).unwrap(), before);
    assert_eq!(Inspection::open(&copy).unwrap().overview().unwrap().site, scratch.open("a.db").site());
}

#[test]
fn what_is_no_database_is_refused() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("")).unwrap();
    let refused = |name: &str| Inspection::open(&scratch.path(name)).err().unwrap().code();
    assert_eq!(refused("missing.db"), "ERR_ARGUMENT");
    fs::write(scratch.path("empty.db"), "").unwrap();
    assert_eq!(refused("empty.db"), "ERR_ARGUMENT");
    fs::write(scratch.path("text.db"), "hello").unwrap();
    assert_eq!(refused("text.db"), "ERR_ARGUMENT");
    alter(&scratch.path("foreign.db"), "CREATE TABLE mine (a)");
    assert_eq!(refused("foreign.db"), "ERR_CONFIG");
    assert_eq!(refused(""), "ERR_ARGUMENT");
    let names: Vec<bool> = ["missing.db", "empty.db", "text.db", "foreign.db", ""]
        .iter()
        .map(|name| Inspection::recognizes(&scratch.path(name)).unwrap())
        .collect();
    assert_eq!(names, [false; 5]);
    assert!(Inspection::recognizes(&written(&scratch)).unwrap());
}

#[test]
fn a_database_whose_content_is_still_in_its_log_is_recognized() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "one", &[1.0]);
    assert!(Inspection::recognizes(&scratch.path("a.db")).unwrap());
    crate::support::copy_database(&scratch.path("a.db"), &scratch.path("b.db"));
    assert!(Inspection::recognizes(&scratch.path("b.db")).unwrap());
}
