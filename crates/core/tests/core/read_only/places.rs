//! Folders where nothing may be written, and what others leave in them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use vectr_core::VectrDB;

use super::{fill, folder, killed, open, read_all, read_only};
use crate::support::{Scratch, shard};

/// Sets who may use the folder of the databases and the files in it.
fn permit(scratch: &Scratch, folder: u32, files: u32) {
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let data = scratch.path("");
    for entry in fs::read_dir(&data).unwrap() {
        set(&entry.unwrap().path(), files);
    }
    set(&data, folder);
    set(data.parent().unwrap(), 0o755);
}

/// Reads `a.db` in a process of another user, if this one may start it; else as this user.
fn read_as_another_user(scratch: &Scratch, count: u64) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "read_only::places::another_user", "--ignored", "--nocapture"])
        .current_dir("/")
        .env("VECTR_TEST_READ", scratch.path("a.db"))
        .env("VECTR_TEST_COUNT", count.to_string());
    if rustix::process::geteuid().is_root() {
        child.uid(NOBODY).gid(NOBODY);
    }
    let looked = child.output().unwrap();
    assert!(looked.status.success(), "{looked:?}");
}

#[test]
#[ignore = "the other half of tests with two processes"]
fn another_user() {
    let Some(path) = std::env::var_os("VECTR_TEST_READ") else { return };
    let count: u64 = std::env::var("VECTR_TEST_COUNT").unwrap().parse().unwrap();
    let db = open(Path::new(&path));
    // More at a time than there are connections that are kept.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(read_all(&db), count));
        }
    });
    db.close().unwrap();
}

// SQLite could not create the log.
#[test]
fn a_file_is_read_where_nothing_may_be_written() {
    for left in [&[][..], &["", "-wal"], &["", "-wal", "-shm"]] {
        let scratch = Scratch::new();
        if left.is_empty() {
            let db = scratch.open("a.db");
            fill(&db, 0..10);
            db.close().unwrap();
        } else {
            killed(&scratch, left);
        }
        permit(&scratch, 0o555, 0o444);
        let before = folder(&scratch);
        read_as_another_user(&scratch, 10);
        assert!(folder(&scratch) == before, "{left:?}");
        permit(&scratch, 0o755, 0o644);
        assert_eq!(read_all(&open(&scratch.path("a.db"))), 10, "{left:?}");
        assert_eq!(read_all(&scratch.open("a.db")), 10, "{left:?}");
    }
}

// What a reader leaves in a folder that is open to all would lock out the owner.
#[test]
fn nothing_is_created_where_all_may_write() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    fill(&db, 0..10);
    db.close().unwrap();
    permit(&scratch, 0o777, 0o666);
    let before = folder(&scratch);
    read_as_another_user(&scratch, 10);
    assert!(folder(&scratch) == before);
    scratch.open("a.db").close().unwrap();
}

#[test]
fn another_user_reads_beside_a_writer_whose_files_it_may_not_write() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    fill(&db, 0..10);
    for files in [0o644, 0o666] {
        permit(&scratch, 0o755, files);
        read_as_another_user(&scratch, 10);
    }
    fill(&db, 10..20);
    read_as_another_user(&scratch, 20);
    db.close().unwrap();
    permit(&scratch, 0o555, 0o444);
    read_as_another_user(&scratch, 20);
}

#[test]
fn a_log_that_a_killed_process_left_is_read() {
    for left in [&["", "-wal"][..], &["", "-wal", "-shm"]] {
        let scratch = Scratch::new();
        killed(&scratch, left);
        let db = open(&scratch.path("a.db"));
        assert_eq!(read_all(&db), 10);
        db.close().unwrap();
        assert_eq!(read_all(&scratch.open("a.db")), 10);
    }
}

#[test]
fn a_log_of_another_file_is_refused_and_stays() {
    let scratch = Scratch::new();
    killed(&scratch, &["", "-wal", "-shm"]);
    let db = scratch.open("b.db");
    fill(&db, 0..40);
    db.close().unwrap();
    fs::copy(scratch.path("b.db"), scratch.path("a.db")).unwrap();
    let before = folder(&scratch);
    let error = VectrDB::new(read_only(&scratch.path("a.db"))).unwrap_err();
    assert!(error.code() == "ERR_STORAGE" && error.to_string().contains("does not continue"), "{error}");
    assert!(folder(&scratch) == before);
}

#[test]
fn a_file_that_takes_the_place_of_the_one_that_was_opened_is_not_read() {
    let scratch = Scratch::new();
    for (name, rows) in [("a.db", 10), ("b.db", 20)] {
        let db = scratch.open(name);
        fill(&db, 0..rows);
        db.close().unwrap();
    }
    let db = open(&scratch.path("a.db"));
    assert_eq!(db.count(&shard()).unwrap(), 10);
    fs::rename(scratch.path("b.db"), scratch.path("a.db")).unwrap();
    let error = db.count(&shard()).unwrap_err();
    assert!(error.code() == "ERR_CONFIG" && error.to_string().contains("replaced"), "{error}");
    assert_eq!(open(&scratch.path("a.db")).count(&shard()).unwrap(), 20);
    fs::remove_file(scratch.path("a.db")).unwrap();
    assert_eq!(db.count(&shard()).unwrap_err().code(), "ERR_CONFIG");
}

/// The user and the group without any rights, on most systems.
const NOBODY: u32 = 65_534;
