use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use vectr_core::{QueryOptions, VectrDB};

/// Any text, as `query` takes it, against a real file.
///
/// Nothing is written or attached, and nothing is read but the documented views: a second connection, which knows
/// nothing of the guard, asks SQLite what a statement that the guard lets pass does. And the query ends.
pub fn run(data: &[u8]) {
    let sql = String::from_utf8_lossy(data);
    FILE.with_borrow_mut(|file| {
        let file = file.get_or_insert_with(File::open);
        let mut options = QueryOptions::default();
        options.timeout = Some(TIMEOUT);
        (options.max_rows, options.max_bytes) = (1_000, 1 << 20);
        match file.db.query_with(&sql, Vec::new(), &options) {
            Ok(rows) => {
                assert!(rows.rows.len() <= options.max_rows);
                file.check(&sql);
            }
            Err(error) => assert!(CODES.contains(&error.code()), "{} {error}", error.code()),
        }
        file.assert_untouched();
    });
}

struct File {
    db: VectrDB,
    second: Connection,
    /// What the second connection was last asked for, beyond what is allowed.
    beyond: Arc<Mutex<Vec<String>>>,
    version: i64,
    folder: TempDir,
}

impl File {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("agent.db");
        let db = VectrDB::open(&path).expect("a new database");
        let shard = db.shard("shard").expect("a short name");
        for number in 0..4_u8 {
            let vector = (&[f32::from(number), 1.0][..], r#"{"k": [1, {"a": null}], "n": 2.5}"#);
            shard.upsert(format!("v{number}").as_str(), vector).expect("room for a vector");
        }
        let mut second =
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the file is there");
        let beyond = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::clone(&beyond);
        let authorize = move |context: AuthContext<'_>| {
            if let Some(action) = beyond_views(&context) {
                asked.lock().unwrap_or_else(PoisonError::into_inner).push(action);
            }
            Authorization::Allow
        };
        second.authorizer(Some(authorize)).expect("SQLite takes an authorizer");
        let version = data_version(&second);
        Self { db, second, beyond, version, folder }
    }

    /// A statement that the guard let pass does nothing but read views.
    fn check(&self, sql: &str) {
        let asked = || std::mem::take(&mut *self.beyond.lock().unwrap_or_else(PoisonError::into_inner));
        asked();
        let statement = self.second.prepare(sql).expect("it has just run");
        assert!(statement.readonly(), "the guard lets a statement pass that writes");
        let beyond = asked();
        assert!(beyond.is_empty(), "the guard lets a statement pass that does {beyond:?}");
    }

    fn assert_untouched(&self) {
        assert_eq!(data_version(&self.second), self.version, "a query has changed the database");
        let names = std::fs::read_dir(self.folder.path()).expect("the folder can be read").flatten();
        let strangers = names.filter(|entry| !entry.file_name().to_string_lossy().starts_with("agent.db"));
        assert_eq!(strangers.count(), 0, "a query has made a file");
    }
}

/// What a statement does besides reading views, if anything. SQLite names the view that a table is read for.
fn beyond_views(context: &AuthContext<'_>) -> Option<String> {
    let allowed = match &context.action {
        AuthAction::Select | AuthAction::Recursive | AuthAction::Function { .. } => true,
        AuthAction::Read { table_name, column_name } => {
            // Documented views read others, which nothing else does.
            is_view(table_name) || context.accessor.is_some_and(is_any_view) || column_name.is_empty()
        }
        AuthAction::Pragma { pragma_name, pragma_value } => match pragma_name.to_ascii_lowercase().as_str() {
            "table_info" | "table_xinfo" => pragma_value.is_some_and(is_view),
            "integrity_check" | "quick_check" => true,
            other => pragma_value.is_none() && PRAGMAS.contains(&other),
        },
        _ => false,
    };
    (!allowed).then(|| format!("{context:?}"))
}

fn is_view(name: &str) -> bool {
    VIEWS.contains(&name.to_ascii_lowercase().as_str())
}

/// Also one that documented views are made of.
fn is_any_view(name: &str) -> bool {
    is_view(name) || INNER_VIEWS.contains(&name)
}

fn data_version(connection: &Connection) -> i64 {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0)).expect("SQLite answers")
}

thread_local! {
    static FILE: RefCell<Option<File>> = const { RefCell::new(None) };
}

const TIMEOUT: Duration = Duration::from_millis(50);
const VIEWS: [&str; 5] = ["vectors", "vector_changelog", "shard_metadata", "json_each", "json_tree"];
const INNER_VIEWS: [&str; 1] = ["version"];
const PRAGMAS: [&str; 6] =
    ["page_count", "page_size", "freelist_count", "user_version", "application_id", "encoding"];
const CODES: [&str; 4] = ["ERR_ARGUMENT", "ERR_LIMIT", "ERR_TIMEOUT", "ERR_BUSY"];
