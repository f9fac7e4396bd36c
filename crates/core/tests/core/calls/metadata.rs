//! Metadata that every peer and every reader can use, and what becomes of other metadata.

use crate::support::sync::sync;
use crate::support::{Scratch, Wall, both, bytes, described, id, put, shard};
use rusqlite::Connection;
use vectr_core::{Target, Value, VectrDB};
use vectr_delta::{Metadata, Payload, Timestamp};

const NOW: Timestamp = Timestamp::from_micros(Wall::START);

fn nested(levels: usize) -> String {
    format!("{{\"a\":7,\"b\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1))
}

/// What no check has seen, as from a former build.
fn unchecked(components: &[f32], metadata: &str) -> Payload {
    Payload::from_checked(bytes(components), Some(Metadata::from_checked(metadata)))
}

fn upsert(db: &VectrDB, name: &str, payload: Payload) {
    db.upsert(Target::shard(&shard()), &id(name), payload).unwrap();
}

fn looked_into(db: &VectrDB) -> Vec<Vec<Value>> {
    let sql = "SELECT id, json_extract(metadata, '$.a') FROM vectors ORDER BY id";
    db.query(sql, vec![]).unwrap().rows
}

fn row(id: &str, value: Option<i64>) -> Vec<Value> {
    vec![Value::Text(id.to_owned()), value.map_or(Value::Null, Value::Integer)]
}

/// Puts metadata into the file of a closed database, with the hash that belongs to it.
fn plant(scratch: &Scratch, name: &str, id: &str, components: &[f32], metadata: &str) {
    let raw = Connection::open(scratch.path(name)).unwrap();
    let hash = unchecked(components, metadata).hash().to_le_bytes();
    let done = raw.execute("UPDATE row SET metadata = ?2, hash = ?3 WHERE id = ?1", (id, metadata, hash));
    assert_eq!(done.unwrap(), 1);
}

#[test]
fn metadata_that_readers_refuse_or_take_differently_is_no_metadata() {
    for (text, said) in [(nested(1_001), "1000 levels"), (r#"{"b":{"k":1,"\u006b":2}}"#.to_owned(), "twice")]
    {
        let error = Metadata::new(&text).unwrap_err();
        assert!(error.code() == "ERR_ARGUMENT" && error.to_string().contains(said), "{error}");
    }
}

#[test]
fn metadata_with_as_many_levels_as_are_allowed_can_be_queried() {
    both(|db| {
        upsert(db, "deep", described(&[1.0], &nested(Metadata::MAX_DEPTH)));
        assert_eq!(looked_into(db), [row("deep", Some(7))]);
        for sql in [
            "SELECT count(*) FROM vectors, json_tree(metadata)",
            "SELECT json_pretty(metadata) FROM vectors",
            "SELECT json_set(metadata, '$.c', 1) FROM vectors",
            "SELECT json_patch(metadata, '{\"c\":1}') FROM vectors",
            "SELECT json_extract(metadata, '$.b[0][0]') FROM vector_changelog",
        ] {
            assert!(db.query(sql, vec![]).is_ok(), "{sql}");
        }
    });
}

// One such row failed every SQL statement that looked into metadata.
#[test]
fn stored_metadata_that_sql_cannot_read_is_null_there_and_hides_no_other() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let db = scratch.open_at("a.db", &wall);
    for name in ["a", "b", "c"] {
        upsert(&db, name, described(&[1.0], r#"{"a":1}"#));
    }
    db.close().unwrap();
    plant(&scratch, "a.db", "b", &[1.0], &nested(1_200));
    let db = scratch.open_at("a.db", &wall);
    assert_eq!(looked_into(&db), [row("a", Some(1)), row("b", None), row("c", Some(1))]);
    let changes = "SELECT count(*) FROM vector_changelog WHERE json_extract(metadata, '$.a') = 1";
    assert_eq!(db.query(changes, vec![]).unwrap().rows, [[Value::Integer(2)]]);
    // The vector itself is all there.
    let entry = db.get(Target::shard(&shard()), &id("b")).unwrap().unwrap();
    assert_eq!(entry.metadata.unwrap().as_str(), nested(1_200));
    // It is mended by writing other metadata.
    db.update(Target::shard(&shard()), &id("b"), None, Some(Metadata::new(r#"{"a":2}"#).unwrap())).unwrap();
    assert_eq!(looked_into(&db)[1], row("b", Some(2)));
}

#[test]
fn a_file_of_a_former_build_gets_the_views_that_pass_over_such_rows() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let db = scratch.open_at("a.db", &wall);
    upsert(&db, "good", described(&[1.0], r#"{"a":1}"#));
    put(&db, "deep", &[1.0]);
    db.close().unwrap();
    plant(&scratch, "a.db", "deep", &[1.0], &nested(5_000));
    let raw = Connection::open(scratch.path("a.db")).unwrap();
    let views = include_str!("../../../src/storage/migrations/0001_shards.sql").split(';');
    let old: String =
        views.filter(|sql| sql.contains("CREATE VIEW v")).map(|sql| format!("{sql};\n")).collect();
    let undo = format!(
        "DROP VIEW vectors; DROP VIEW vector_changelog; {old} ALTER TABLE counter DROP COLUMN former_token; \
         DROP TRIGGER row_altered; DROP TRIGGER row_removed; DROP TRIGGER sibling_altered; \
         DROP TRIGGER sibling_removed; DROP TRIGGER row_replaced; DROP TRIGGER sibling_replaced; \
         DROP TABLE altered; DROP TABLE scrub; PRAGMA user_version = 3"
    );
    raw.execute_batch(&undo).unwrap();
    let look = "SELECT count(json_extract(metadata, '$.a')) FROM vectors";
    assert!(raw.query_row(look, [], |row| row.get::<_, i64>(0)).is_err());
    drop(raw);
    let db = scratch.open_at("a.db", &wall);
    assert_eq!(db.query(look, vec![]).unwrap().rows, [[Value::Integer(1)]]);
}

#[test]
fn a_peers_metadata_that_breaks_a_rule_holds_back_its_row_alone() {
    for text in [nested(1_200), r#"{"a":1,"a":2}"#.to_owned()] {
        let (scratch, wall) = (Scratch::new(), Wall::new());
        let a = scratch.open_at("a.db", &wall);
        for name in ["v1", "v2", "v3"] {
            put(&a, name, &[1.0]);
        }
        a.close().unwrap();
        plant(&scratch, "a.db", "v2", &[1.0], &text);
        let (a, b) = (scratch.open_at("a.db", &wall), scratch.open_at("b.db", &wall));
        let (_, report) = sync(&shard(), (&a, 0), (&b, 1), NOW);
        assert!(
            report.warnings.iter().any(|warning| warning.to_string().contains("ERR_ARGUMENT")),
            "{:?}",
            report.warnings
        );
        assert_eq!(b.count(&shard()).unwrap(), 2);
        a.update(Target::shard(&shard()), &id("v2"), None, Some(Metadata::new("{}").unwrap())).unwrap();
        let (_, report) = sync(&shard(), (&a, 0), (&b, 1), NOW);
        assert_eq!((b.count(&shard()).unwrap(), report.warnings.len()), (3, 0));
    }
}
