//! Links, several names, logs of another life: what a file must be before it is opened.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use vectr_core::{Inspection, VectrDB};

use crate::support::{Scratch, assert_sound, put, shard, shown};

fn refused(scratch: &Scratch, name: &str) -> (&'static str, String) {
    let error = VectrDB::new(scratch.config(name)).unwrap_err();
    (error.code(), error.to_string())
}

/// A database that was killed: its file, and the log that holds its last writes.
fn killed(scratch: &Scratch, name: &str, first: &str, last: &str) -> (Vec<u8>, Vec<u8>) {
    let db = scratch.open(name);
    put(&db, first, &[1.0]);
    db.close().unwrap();
    let db = scratch.open(name);
    put(&db, last, &[2.0]);
    let log = format!("{name}-wal");
    let state = (fs::read(scratch.path(name)).unwrap(), fs::read(scratch.path(&log)).unwrap());
    db.close().unwrap();
    fs::write(scratch.path(name), &state.0).unwrap();
    fs::write(scratch.path(&log), &state.1).unwrap();
    state
}

#[test]
fn the_log_of_a_killed_process_is_played_back() {
    let scratch = Scratch::new();
    killed(&scratch, "a.db", "first", "last");
    let db = scratch.open("a.db");
    assert_eq!((shown(&db, "first"), shown(&db, "last")), (Some(vec![1.0]), Some(vec![2.0])));
    assert_sound(&db);
}

#[test]
fn a_log_of_another_file_is_refused_and_both_are_left_as_they_were() {
    let scratch = Scratch::new();
    let (file, _) = killed(&scratch, "a.db", "a1", "a2");
    let (_, foreign) = killed(&scratch, "b.db", "b1", "b2");
    fs::write(scratch.path("a.db-wal"), &foreign).unwrap();
    let (code, text) = refused(&scratch, "a.db");
    assert!(
        code == "ERR_STORAGE" && text.contains("a.db-wal") && text.contains("move the log away"),
        "{text}"
    );
    assert_eq!(Inspection::open(&scratch.path("a.db")).err().unwrap().code(), "ERR_STORAGE");
    assert_eq!(fs::read(scratch.path("a.db")).unwrap(), file);
    assert_eq!(fs::read(scratch.path("a.db-wal")).unwrap(), foreign);
    fs::remove_file(scratch.path("a.db-wal")).unwrap();
    assert_eq!(shown(&scratch.open("a.db"), "a1"), Some(vec![1.0]));
}

#[test]
fn an_older_file_beside_a_newer_log_is_refused() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "first", &[1.0]);
    db.close().unwrap();
    let older = fs::read(scratch.path("a.db")).unwrap();
    for i in 0..3 {
        let db = scratch.open("a.db");
        put(&db, &format!("v{i}"), &[2.0]);
        db.close().unwrap();
    }
    let (newer, log) = killed(&scratch, "a.db", "second", "last");
    fs::write(scratch.path("a.db"), &older).unwrap();
    let (code, text) = refused(&scratch, "a.db");
    assert!(code == "ERR_STORAGE" && text.contains("older state"), "{text}");
    // With the file that the log was written for, everything is there.
    fs::write(scratch.path("a.db"), &newer).unwrap();
    assert_eq!(fs::read(scratch.path("a.db-wal")).unwrap(), log);
    let db = scratch.open("a.db");
    assert_eq!((shown(&db, "v2"), shown(&db, "last")), (Some(vec![2.0]), Some(vec![2.0])));
    assert_sound(&db);
}

#[test]
fn a_newer_file_beside_an_older_log_is_refused() {
    let scratch = Scratch::new();
    let (_, log) = killed(&scratch, "a.db", "first", "last");
    for i in 0..3 {
        let db = scratch.open("a.db");
        put(&db, &format!("v{i}"), &[2.0]);
        db.close().unwrap();
    }
    fs::write(scratch.path("a.db-wal"), log).unwrap();
    let (code, text) = refused(&scratch, "a.db");
    assert!(code == "ERR_STORAGE" && text.contains("newer state"), "{text}");
}

#[test]
fn a_log_whose_file_is_gone_is_refused_and_kept() {
    let scratch = Scratch::new();
    let (file, log) = killed(&scratch, "a.db", "first", "last");
    for gone in [true, false] {
        if gone {
            fs::remove_file(scratch.path("a.db")).unwrap();
        } else {
            fs::write(scratch.path("a.db"), "").unwrap();
        }
        let (code, text) = refused(&scratch, "a.db");
        assert!(code == "ERR_STORAGE" && text.contains("missing"), "{text}");
        assert_eq!(fs::read(scratch.path("a.db-wal")).unwrap(), log);
    }
    fs::write(scratch.path("a.db"), file).unwrap();
    assert_eq!(shown(&scratch.open("a.db"), "last"), Some(vec![2.0]));
}

#[test]
fn a_new_file_that_was_killed_before_its_first_checkpoint_opens() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "only", &[1.0]);
    let copies = ["a.db", "a.db-wal"].map(|name| (name, fs::read(scratch.path(name)).unwrap()));
    db.close().unwrap();
    for (name, content) in copies {
        fs::write(scratch.path(name), content).unwrap();
    }
    assert_eq!(shown(&scratch.open("a.db"), "only"), Some(vec![1.0]));
}

#[test]
fn a_link_to_a_file_that_is_not_there_yet_leads_to_one_file() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("volume")).unwrap();
    symlink(scratch.path("volume/real.db"), scratch.path("link.db")).unwrap();
    symlink(Path::new("link.db"), scratch.path("second.db")).unwrap();
    let db = scratch.open("link.db");
    put(&db, "a", &[1.0]);
    for name in ["link.db", "second.db", "volume/real.db"] {
        let again = scratch.open(name);
        assert_eq!(shown(&again, "a"), Some(vec![1.0]), "{name}");
        assert_eq!(again.path(), db.path());
    }
    assert_eq!(db.path(), Some(fs::canonicalize(scratch.path("volume/real.db")).unwrap().as_path()));
    db.close().unwrap();
    assert_eq!(shown(&scratch.open("second.db"), "a"), Some(vec![1.0]));
}

#[test]
fn a_circle_of_links_is_refused() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("")).unwrap();
    symlink(scratch.path("b.db"), scratch.path("a.db")).unwrap();
    symlink(scratch.path("a.db"), scratch.path("b.db")).unwrap();
    assert!(["ERR_ARGUMENT", "ERR_STORAGE"].contains(&refused(&scratch, "a.db").0));
}

#[test]
fn a_file_with_two_names_is_refused() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    db.close().unwrap();
    fs::hard_link(scratch.path("a.db"), scratch.path("b.db")).unwrap();
    for name in ["a.db", "b.db"] {
        let (code, text) = refused(&scratch, name);
        assert!(code == "ERR_ARGUMENT" && text.contains("2 names"), "{text}");
    }
    fs::remove_file(scratch.path("b.db")).unwrap();
    assert_eq!(shown(&scratch.open("a.db"), "a"), Some(vec![1.0]));
}

#[test]
fn a_file_that_is_renamed_while_it_is_open_is_not_opened_again() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    fs::rename(scratch.path("a.db"), scratch.path("b.db")).unwrap();
    assert_eq!(refused(&scratch, "b.db").0, "ERR_BUSY");
}

#[test]
fn a_path_that_ends_as_a_folder_is_refused_each_time() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("")).unwrap();
    for _ in 0..2 {
        assert_eq!(refused(&scratch, "a.db/").0, "ERR_ARGUMENT");
        assert!(!scratch.path("a.db").exists());
    }
}

#[test]
fn a_file_that_took_the_name_of_an_open_one_is_not_opened() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    scratch.open("b.db").close().unwrap();
    fs::rename(scratch.path("b.db"), scratch.path("a.db")).unwrap();
    assert_eq!(refused(&scratch, "a.db").0, "ERR_BUSY");
}

/// Another program looks at the file after this process has opened it a second time, and closed that.
#[test]
fn a_second_opening_does_not_give_away_the_log_in_use() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    for i in 0..100 {
        put(&db, &format!("v{i}"), &[1.0]);
    }
    scratch.open("a.db").close().unwrap();
    assert!(Inspection::recognizes(&scratch.path("a.db")).unwrap());
    drop(Inspection::open(&scratch.path("a.db")).unwrap());
    drop(scratch.open("a.db"));
    let looked = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "files::another_program", "--ignored", "--nocapture"])
        .env("VECTR_TEST_LOOK", scratch.path("a.db"))
        .output()
        .unwrap();
    assert!(looked.status.success(), "{looked:?}");
    for i in 100..150 {
        put(&db, &format!("v{i}"), &[1.0]);
    }
    db.close().unwrap();
    let db = scratch.open("a.db");
    assert_eq!(db.count(&shard()).unwrap(), 150);
    assert_sound(&db);
}

/// Run as a process of its own: any SQLite program that reads the file and closes it.
#[test]
#[ignore = "the other half of a test with two processes"]
fn another_program() {
    let Some(path) = std::env::var_os("VECTR_TEST_LOOK") else { return };
    let connection = rusqlite::Connection::open(path).unwrap();
    let rows: i64 = connection.query_row("SELECT count(*) FROM row", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 100);
}
