//! What is said of files that cannot be used, and which paths are refused.

use std::fs;
use std::path::Path;

use crate::support::{Scratch, id, payload, put, shard, shown};
use vectr_core::{Config, CoreError, Search, Target, VectrDB};

fn text(error: &CoreError) -> String {
    format!("{}: {error}", error.code())
}

/// No file beside the databases is left of a copy that failed.
fn assert_no_draft(scratch: &Scratch) {
    let mut names = fs::read_dir(scratch.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.all(|name| !name.to_string_lossy().ends_with(".part")));
}

// The file of the database in use was destroyed, or its identity.
#[test]
fn a_backup_never_takes_the_place_of_what_belongs_to_a_database() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    for suffix in ["-wal", "-shm", "-journal", ".lock", ".key"] {
        for at in [scratch.path(&format!("a.db{suffix}")), scratch.path(&format!("../data/a.db{suffix}"))] {
            let code = db.backup(&at).unwrap_err();
            let expected = if at.exists() { "ERR_EXISTS" } else { "ERR_ARGUMENT" };
            assert_eq!(code.code(), expected, "{}", text(&code));
        }
    }
    assert_eq!(db.backup(&scratch.path("a.db")).unwrap_err().code(), "ERR_EXISTS");
    let memory = VectrDB::new(Config::default().shard(shard())).unwrap();
    let refused = memory.backup(&scratch.path("a.db.key")).unwrap_err();
    assert!(refused.to_string().contains("a.db'") && refused.code() == "ERR_ARGUMENT", "{refused}");
    assert_no_draft(&scratch);
    db.backup(&scratch.path("b.key")).unwrap();
    assert_eq!(shown(&db, "a"), Some(vec![1.0]));
}

#[cfg(unix)]
#[test]
fn links_do_not_hide_what_belongs_to_a_database() {
    use std::os::unix::fs::symlink;

    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    symlink(scratch.path(""), scratch.path("link")).unwrap();
    let refused = db.backup(&scratch.path("link/a.db.key")).unwrap_err();
    assert_eq!(refused.code(), "ERR_ARGUMENT", "{refused}");
    symlink(scratch.path("a.db.key"), scratch.path("key")).unwrap();
    assert_eq!(db.backup(&scratch.path("key")).unwrap_err().code(), "ERR_EXISTS");
    assert_eq!(VectrDB::open(scratch.path("key")).unwrap_err().code(), "ERR_ARGUMENT");
    assert!(!scratch.path("a.db.key").exists());
}

// A database grew where the log or the key of another one belongs.
#[test]
fn no_database_is_made_where_another_one_keeps_its_own() {
    let scratch = Scratch::new();
    put(&scratch.open("a.db"), "a", &[1.0]);
    for name in ["a.db-wal", "a.db.key"] {
        let refused = VectrDB::new(scratch.config(name)).unwrap_err();
        assert!(refused.code() == "ERR_ARGUMENT" && refused.to_string().contains(name), "{refused}");
        assert!(!scratch.path(name).exists());
    }
    // Without such a neighbour it is a name like any other.
    put(&scratch.open("b.key"), "a", &[1.0]);
    put(&scratch.open("b"), "a", &[1.0]);
    assert_eq!(shown(&scratch.open("b.key"), "a"), Some(vec![1.0]));
}

// A temporary file was named.
#[test]
fn a_backup_into_a_missing_folder_names_the_folder() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    let error = db.backup(&scratch.path("no/such/b.db")).unwrap_err();
    let told = text(&error);
    assert!(
        told.starts_with("ERR_STORAGE") && told.contains("/no/such'") && told.contains("create it"),
        "{told}"
    );
    assert!(!told.contains(".part"), "{told}");
}

#[test]
fn other_dimensions_name_the_shard_and_what_to_do() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0, 2.0]);
    let notes = shard();
    let at = Target::shard(&notes);
    let told = [
        db.upsert(at, &id("b"), payload(&[1.0])).unwrap_err(),
        db.search(&Search::new(shard(), vec![1.0])).unwrap_err(),
    ];
    db.close().unwrap();
    let mut config = scratch.config("a.db");
    config.dimensions(vectr_delta::Dimensions::try_from(1).unwrap());
    let at_opening = VectrDB::new(config).unwrap_err();
    for error in told.into_iter().chain([at_opening]) {
        let told = text(&error);
        assert!(told.starts_with("ERR_DIMENSIONS") && told.contains("shard 'notes'"), "{told}");
        assert!(told.contains("another shard"), "{told}");
    }
}

// It said "in memory".
#[test]
fn an_error_of_a_file_names_it_in_an_iteration() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    let zeros = vec![0.5; 1000];
    for n in 0..200 {
        put(&db, &format!("v{n:03}"), &zeros);
    }
    db.close().unwrap();
    ruin(&scratch.path("a.db"));
    let Ok(db) = VectrDB::new(scratch.config("a.db")) else { return };
    let mut iteration = match db.iterate(&shard(), true) {
        Ok(iteration) => iteration,
        Err(error) => return assert!(error.to_string().contains("a.db"), "{error}"),
    };
    let error = loop {
        match iteration.next_page(10) {
            Ok(page) => assert!(!page.is_empty(), "the damage is found"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("a.db") && !error.to_string().contains("in memory"), "{error}");
}

/// Overwrites the latter half of the file's pages.
fn ruin(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let half = bytes.len() / 2 / 16_384 * 16_384;
    bytes[half..].fill(0x5a);
    fs::write(path, bytes).unwrap();
}
