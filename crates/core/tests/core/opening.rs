//! Which files are opened, and that others are left as they were.

use std::fs;

use crate::support::{Scratch, put, shard, shown};
use rusqlite::Connection;
use vectr_core::{Config, Target, VectrDB};

fn refused(scratch: &Scratch, name: &str) -> &'static str {
    VectrDB::new(scratch.config(name)).unwrap_err().code()
}

#[test]
fn missing_folders_are_made() {
    let scratch = Scratch::new();
    let db = scratch.open("deep/er/a.db");
    put(&db, "a", &[1.0]);
    assert!(db.path().unwrap().is_absolute() && scratch.path("deep/er/a.db").exists());
}

#[test]
fn a_folder_is_no_database() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("folder.db")).unwrap();
    assert_eq!(refused(&scratch, "folder.db"), "ERR_ARGUMENT");
    assert_eq!(VectrDB::new(Config::file("")).unwrap_err().code(), "ERR_ARGUMENT");
    assert_eq!(VectrDB::new(Config::file("/")).unwrap_err().code(), "ERR_ARGUMENT");
}

#[test]
fn a_file_of_another_kind_is_left_alone() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("")).unwrap();
    for content in ["short", &"a letter to a friend\n".repeat(100)] {
        fs::write(scratch.path("letter.txt"), content).unwrap();
        assert_eq!(refused(&scratch, "letter.txt"), "ERR_ARGUMENT");
        assert_eq!(fs::read_to_string(scratch.path("letter.txt")).unwrap(), content);
    }
    assert_eq!(fs::read_dir(scratch.path("")).unwrap().count(), 1);
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("")).unwrap();
    for setup in [
        "CREATE TABLE mine (a)",
        "PRAGMA application_id = 77; CREATE TABLE mine (a)",
        "PRAGMA user_version = 3",
    ] {
        let _ = fs::remove_file(scratch.path("a.db"));
        Connection::open(scratch.path("a.db")).unwrap().execute_batch(setup).unwrap();
        let before = fs::read(scratch.path("a.db")).unwrap();
        assert_eq!(refused(&scratch, "a.db"), "ERR_CONFIG", "{setup}");
        assert_eq!(fs::read(scratch.path("a.db")).unwrap(), before);
    }
}

#[test]
fn a_newer_schema_is_left_alone() {
    let scratch = Scratch::new();
    scratch.open("a.db").close().unwrap();
    let newer = "PRAGMA user_version = 999";
    Connection::open(scratch.path("a.db")).unwrap().execute_batch(newer).unwrap();
    let before = fs::read(scratch.path("a.db")).unwrap();
    let error = VectrDB::new(scratch.config("a.db")).unwrap_err();
    assert_eq!(error.code(), "ERR_CONFIG");
    assert!(error.to_string().contains("999"), "{error}");
    assert_eq!(fs::read(scratch.path("a.db")).unwrap(), before);
}

#[test]
fn an_empty_file_and_an_empty_database_become_ours() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("")).unwrap();
    fs::write(scratch.path("a.db"), "").unwrap();
    Connection::open(scratch.path("b.db")).unwrap().execute_batch("PRAGMA page_size = 512; VACUUM").unwrap();
    for name in ["a.db", "b.db"] {
        let db = scratch.open(name);
        put(&db, "a", &[1.0]);
        let page = db.query("PRAGMA page_size", vec![]).unwrap().rows;
        assert_eq!(page, [[vectr_core::Value::Integer(16_384)]]);
        let version = db.query("PRAGMA user_version", vec![]).unwrap().rows;
        assert_eq!(version, [[vectr_core::Value::Integer(10)]]);
    }
}

#[test]
fn a_truncated_file_is_a_storage_error() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    for i in 0..2_000 {
        put(&db, &format!("v{i}"), &[i as f32; 8]);
    }
    db.close().unwrap();
    let content = fs::read(scratch.path("a.db")).unwrap();
    fs::write(scratch.path("a.db"), &content[..content.len() / 2]).unwrap();
    let code = match VectrDB::new(scratch.config("a.db")) {
        Err(error) => error.code(),
        Ok(db) => db.iterate(&shard(), true).and_then(|mut all| all.next_page(9_999)).unwrap_err().code(),
    };
    assert_eq!(code, "ERR_STORAGE");
}

#[test]
fn a_path_with_a_colon_is_a_file_name() {
    let scratch = Scratch::new();
    let db = scratch.open("file:a?mode=memory");
    put(&db, "a", &[1.0]);
    db.close().unwrap();
    assert_eq!(shown(&scratch.open("file:a?mode=memory"), "a"), Some(vec![1.0]));
    assert!(scratch.path("file:a?mode=memory").exists());
}

#[test]
fn handles_work_from_many_threads() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let db = db.clone();
            scope.spawn(move || {
                for i in 0..50 {
                    put(&db, &format!("{thread}-{i}"), &[1.0]);
                    assert!(shown(&db, &format!("{thread}-{i}")).is_some());
                    db.await_durable(db.commit_no()).unwrap();
                }
            });
        }
    });
    assert_eq!(db.count(&shard()).unwrap(), 400);
    assert!(db.get(Target::shard(&shard()), &crate::support::id("7-49")).unwrap().is_some());
}
