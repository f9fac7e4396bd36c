//! Reading with SQL, and what may not be done with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{both, described, id, put, shard};
use vectr_core::{QueryOptions, Target, Value};

#[test]
fn views_are_read_with_parameters() {
    both(|db| {
        db.upsert(Target::shard(&shard()), &id("a"), described(&[1.0], r#"{"k":7}"#)).unwrap();
        put(db, "b", &[2.0]);
        let found = db
            .query("SELECT id, json_extract(metadata, '$.k') AS k, vector FROM vectors WHERE id >= ? ORDER BY id", vec![
                Value::Text("a".into()),
            ])
            .unwrap();
        assert_eq!(found.columns, ["id", "k", "vector"]);
        assert_eq!(
            found.rows[0],
            [Value::Text("a".into()), Value::Integer(7), Value::Blob(1_f32.to_le_bytes().into())]
        );
        assert_eq!(found.rows[1][1], Value::Null);
    });
}

#[test]
fn documented_views_functions_and_pragmas_are_allowed() {
    both(|db| {
        put(db, "a", &[1.0]);
        for sql in [
            "SELECT count(*) FROM vector_changelog",
            "SELECT * FROM shard_metadata;  -- the end",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n",
            "WITH x AS (SELECT id FROM vectors) SELECT count(*) FROM x",
            "SELECT v.id, c.operation FROM vectors v JOIN vector_changelog c ON c.vector_id = v.id",
            "SELECT key, value FROM json_each('[1,2]')",
            "SELECT upper(hex(vector)), length(id), max(timestamp) FROM vectors",
            "VALUES (1, 2.5, NULL, x'00')",
            "EXPLAIN QUERY PLAN SELECT id FROM vectors",
            "PRAGMA integrity_check",
            "PRAGMA quick_check(1)",
            "PRAGMA table_info(vectors)",
            "PRAGMA page_count",
        ] {
            let found = db.query(sql, vec![]);
            assert!(found.is_ok_and(|found| !found.rows.is_empty()), "{sql}");
        }
    });
}

#[test]
fn everything_else_is_refused_and_changes_nothing() {
    both(|db| {
        put(db, "a", &[1.0]);
        let digest = db.digest(&shard()).unwrap();
        for sql in [
            "",
            "  -- nothing",
            "nonsense",
            "SELECT nothing FROM vectors",
            "SELECT * FROM row",
            "SELECT count(*) FROM row",
            "SELECT token FROM counter",
            "SELECT * FROM sqlite_schema",
            "SELECT * FROM pragma_table_info('row')",
            "SELECT * FROM dbstat",
            "SELECT (SELECT vector FROM row LIMIT 1)",
            "WITH vectors AS (SELECT * FROM row) SELECT * FROM vectors",
            "SELECT rowid FROM vectors",
            "SELECT 1; SELECT 2",
            "SELECT 1; DELETE FROM row",
            "INSERT INTO row DEFAULT VALUES",
            "DELETE FROM vectors",
            "UPDATE counter SET change_id = 0",
            "DROP TABLE row",
            "CREATE TABLE t (a)",
            "CREATE TEMP TABLE t (a)",
            "ATTACH '/tmp/x.db' AS x",
            "DETACH main",
            "BEGIN",
            "COMMIT",
            "SAVEPOINT s",
            "VACUUM",
            "VACUUM INTO '/tmp/x.db'",
            "REINDEX",
            "ANALYZE",
            "PRAGMA user_version = 5",
            "PRAGMA journal_mode = DELETE",
            "PRAGMA query_only = OFF",
            "PRAGMA writable_schema = ON",
            "PRAGMA wal_checkpoint",
            "SELECT * FROM conflict",
            "SELECT * FROM sync_session",
            "PRAGMA table_info(row)",
            "SELECT load_extension('x')",
            "SELECT fts3_tokenizer('simple')",
            "SELECT ?1, ?2",
        ] {
            let error = db.query(sql, vec![Value::Integer(1)]).unwrap_err();
            assert_eq!(error.code(), "ERR_ARGUMENT", "{sql}: {error}");
        }
        assert_eq!(db.digest(&shard()).unwrap(), digest);
        put(db, "still", &[1.0]);
    });
}

#[test]
fn a_statement_without_end_does_not_keep_a_database_open() {
    both(|db| {
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
        std::thread::scope(|scope| {
            let running = scope.spawn(|| db.query(endless, vec![]));
            db.close().unwrap();
            assert_eq!(running.join().unwrap().unwrap_err().code(), "ERR_CLOSED");
        });
    });
}

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

#[test]
fn a_query_ends_with_its_time() {
    both(|db| {
        let mut options = QueryOptions::default();
        let error = db.query_with(ENDLESS, vec![], options.timeout(Duration::from_millis(20))).unwrap_err();
        assert!(error.code() == "ERR_TIMEOUT" && error.to_string().contains("20ms"), "{error}");
        let error = db.query_with("SELECT 1", vec![], options.timeout(Duration::ZERO)).unwrap_err();
        assert_eq!(error.code(), "ERR_TIMEOUT");
        db.query_with("SELECT 1", vec![], options.timeout(Duration::MAX)).unwrap();
        put(db, "still", &[1.0]);
    });
}

#[test]
fn a_cancelled_query_stops() {
    both(|db| {
        let cancel = Arc::new(AtomicBool::new(false));
        let mut options = QueryOptions::default();
        options.cancel(Arc::clone(&cancel));
        std::thread::scope(|scope| {
            let running = scope.spawn(|| db.query_with(ENDLESS, vec![], &options));
            cancel.store(true, Ordering::SeqCst);
            assert_eq!(running.join().unwrap().unwrap_err().code(), "ERR_ABORTED");
        });
        assert_eq!(db.query("SELECT 1", vec![]).unwrap().rows.len(), 1);
    });
}

#[test]
fn a_result_is_bounded_in_rows_and_bytes() {
    both(|db| {
        for name in ["a", "b", "c"] {
            put(db, name, &[1.0, 2.0]);
        }
        let run = |sql: &str, options: &QueryOptions| {
            db.query_with(sql, vec![], options).map(|found| found.rows.len()).map_err(|error| error.code())
        };
        let (mut rows, mut bytes) = (QueryOptions::default(), QueryOptions::default());
        let all = "SELECT id, vector FROM vectors";
        assert_eq!(run(all, rows.max_rows(3)), Ok(3));
        assert_eq!(run(all, rows.max_rows(2)), Err("ERR_LIMIT"));
        assert_eq!(run(all, bytes.max_bytes(3 * (16 + 1 + 16 + 8))), Ok(3));
        assert_eq!(run(all, bytes.max_bytes(3 * (16 + 1 + 16 + 8) - 1)), Err("ERR_LIMIT"));
        // No function makes a value beyond the limit before it is looked at.
        assert_eq!(run("SELECT length(hex(printf('%.*c', 50000000, 'x')))", &bytes), Err("ERR_LIMIT"));
        assert_eq!(run("SELECT length(hex(printf('%.*c', 5000000, 'x')))", &QueryOptions::default()), Ok(1));
        put(db, "still", &[0.5, 0.5]);
    });
}

// 450 bytes of SQL became gigabytes before SQLite ran any of it, and no time limit ended that: the process was killed.
#[test]
fn a_statement_that_would_grow_without_bound_is_refused_before_sqlite_sees_it() {
    both(|db| {
        let links: String =
            (1..30).map(|at| format!(", c{at} AS (SELECT a+a+a+a a FROM c{})", at - 1)).collect();
        let error =
            db.query(&format!("WITH c0 AS (SELECT 1 a){links} SELECT a FROM c29"), vec![]).unwrap_err();
        assert_eq!(error.code(), "ERR_ARGUMENT");
        assert!(error.to_string().contains("ask in several statements"), "{error}");
        let links: String = links.split_inclusive(')').take(3).collect();
        let found = db.query(&format!("WITH c0 AS (SELECT 1 a){links} SELECT a FROM c3"), vec![]).unwrap();
        assert_eq!(found.rows, [[Value::Integer(64)]]);
    });
}
