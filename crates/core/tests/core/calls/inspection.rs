//! Inspecting a file leaves nothing behind, and needs no right to write.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::{Scratch, put, shard};
use vectr_core::{Inspection, VectrDB};

/// A closed database of ten vectors.
fn written(scratch: &Scratch) {
    let db = scratch.open("a.db");
    fill(&db, 0..10);
    db.close().unwrap();
}

fn fill(db: &VectrDB, numbers: std::ops::Range<u16>) {
    for n in numbers {
        put(db, &format!("v{n}"), &[f32::from(n), 1.0]);
    }
}

/// Puts what a killed process leaves of a database of ten vectors beside `a.db`.
fn killed(scratch: &Scratch, suffixes: &[&str]) {
    let db = scratch.open("open.db");
    fill(&db, 0..10);
    for suffix in suffixes {
        fs::copy(scratch.path(&format!("open.db{suffix}")), scratch.path(&format!("a.db{suffix}"))).unwrap();
    }
    db.close().unwrap();
}

/// Everything in the folder of the databases: names, owners and contents.
fn folder(scratch: &Scratch) -> BTreeMap<String, (u32, Vec<u8>)> {
    let entries = fs::read_dir(scratch.path("")).unwrap().map(|entry| entry.unwrap().path());
    let described = entries.map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, (fs::metadata(&path).unwrap().uid(), fs::read(&path).unwrap()))
    });
    described.collect()
}

fn inspect(path: &Path) -> u64 {
    let inspection = Inspection::open(path).unwrap();
    assert!(Inspection::recognizes(path).unwrap());
    let found = inspection.verify().unwrap();
    assert_eq!(found.faults, []);
    let overview = inspection.overview().unwrap();
    assert_eq!(overview.shards[0].shard, shard());
    overview.shards[0].vectors
}

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

/// Inspects `a.db` in a process of another user, if this one may start it; else as this user.
fn inspect_as_another_user(scratch: &Scratch) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "calls::inspection::another_user", "--ignored", "--nocapture"])
        .current_dir("/")
        .env("VECTR_TEST_INSPECT", scratch.path("a.db"));
    if rustix::process::geteuid().is_root() {
        child.uid(NOBODY).gid(NOBODY);
    }
    let looked = child.output().unwrap();
    assert!(looked.status.success(), "{looked:?}");
}

#[test]
#[ignore = "the other half of tests with two processes"]
fn another_user() {
    let Some(path) = std::env::var_os("VECTR_TEST_INSPECT") else { return };
    assert_eq!(inspect(Path::new(&path)), 10);
}

// A log and its index were left, which belonged to whoever had looked.
#[test]
fn nothing_is_left_beside_a_closed_file() {
    let scratch = Scratch::new();
    written(&scratch);
    let before = folder(&scratch);
    assert_eq!(inspect(&scratch.path("a.db")), 10);
    assert!(folder(&scratch) == before);
    permit(&scratch, 0o777, 0o666);
    inspect_as_another_user(&scratch);
    assert!(folder(&scratch) == before);
    scratch.open("a.db").close().unwrap();
}

// SQLite could not create the log.
#[test]
fn a_file_is_inspected_where_nothing_may_be_written() {
    for left in [&[][..], &["", "-wal"], &["", "-wal", "-shm"]] {
        let scratch = Scratch::new();
        if left.is_empty() {
            written(&scratch);
        } else {
            killed(&scratch, left);
        }
        permit(&scratch, 0o555, 0o444);
        let before = folder(&scratch);
        inspect_as_another_user(&scratch);
        assert!(folder(&scratch) == before, "{left:?}");
        permit(&scratch, 0o755, 0o644);
        assert_eq!(inspect(&scratch.path("a.db")), 10, "{left:?}");
        assert_eq!(scratch.open("a.db").count(&shard()).unwrap(), 10, "{left:?}");
    }
}

#[test]
fn the_log_of_a_killed_process_is_read_and_stays_as_it_is() {
    let scratch = Scratch::new();
    killed(&scratch, &["", "-wal"]);
    let before = folder(&scratch);
    assert_eq!(inspect(&scratch.path("a.db")), 10);
    assert!(folder(&scratch) == before);
}

// SQLite made the index anew, and an owner that was about to start found files that had changed.
#[test]
fn the_index_of_a_killed_process_stays_as_it_is() {
    let scratch = Scratch::new();
    killed(&scratch, &["", "-wal", "-shm"]);
    let index = scratch.path("a.db-shm");
    for is_lost in [false, true] {
        if is_lost {
            let length = fs::metadata(&index).unwrap().len() as usize;
            fs::write(&index, vec![0; length]).unwrap();
        }
        let (before, written) = (folder(&scratch), || fs::metadata(&index).unwrap().modified().unwrap());
        let written_before = written();
        assert_eq!(inspect(&scratch.path("a.db")), 10);
        assert!(folder(&scratch) == before, "lost: {is_lost}");
        assert_eq!(written(), written_before, "lost: {is_lost}");
    }
    assert_eq!(scratch.open("a.db").count(&shard()).unwrap(), 10);
}

// "locking protocol": SQLite tried again and again to match its index with the log.
#[test]
fn a_log_whose_beginning_was_cut_off_is_passed_over() {
    let scratch = Scratch::new();
    let db = scratch.open("open.db");
    fill(&db, 0..10);
    db.close().unwrap();
    let db = scratch.open("open.db");
    fill(&db, 10..11);
    for suffix in ["", "-wal", "-shm"] {
        fs::copy(scratch.path(&format!("open.db{suffix}")), scratch.path(&format!("a.db{suffix}"))).unwrap();
    }
    db.close().unwrap();
    let log = scratch.path("a.db-wal");
    let mut bytes = fs::read(&log).unwrap();
    let inspect_with = |log_bytes: &[u8]| {
        fs::write(&log, log_bytes).unwrap();
        let before = folder(&scratch);
        assert_eq!(inspect(&scratch.path("a.db")), 10);
        assert!(folder(&scratch) == before);
    };
    // The header has 32 bytes, that of a frame 24.
    for length in [1, 4, 31, 32, 33, 55, 56, 57, 32 + 24 + 100] {
        inspect_with(&bytes[..length]);
    }
    // The size of a page, and the sum of the header.
    for (number, changed) in [(8, 0x0002_0000_u32), (8, 0), (24, 0)] {
        let mut bytes = bytes.clone();
        bytes[number..number + 4].copy_from_slice(&changed.to_be_bytes());
        inspect_with(&bytes);
    }
    for of_beginning in [4, 32] {
        bytes[..of_beginning].fill(0);
        inspect_with(&bytes);
    }
}

#[test]
fn another_user_inspects_a_database_in_use_and_its_owner_goes_on() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    fill(&db, 0..10);
    for files in [0o666, 0o644] {
        permit(&scratch, 0o755, files);
        inspect_as_another_user(&scratch);
    }
    fill(&db, 10..20);
    assert_eq!(inspect(&scratch.path("a.db")), 20);
    db.close().unwrap();
    assert_eq!(scratch.open("a.db").count(&shard()).unwrap(), 20);
}

// What had been left by root could not be opened by the owner, nor read by another.
#[test]
fn an_empty_log_that_belongs_to_someone_else_hides_nothing() {
    let scratch = Scratch::new();
    written(&scratch);
    for suffix in ["-wal", "-shm"] {
        fs::write(scratch.path(&format!("a.db{suffix}")), "").unwrap();
    }
    permit(&scratch, 0o755, 0o644);
    for suffix in ["-wal", "-shm"] {
        let left = scratch.path(&format!("a.db{suffix}"));
        fs::set_permissions(left, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let before = folder(&scratch);
    if rustix::process::geteuid().is_root() {
        inspect_as_another_user(&scratch);
        assert!(folder(&scratch) == before);
    }
    assert_eq!(inspect(&scratch.path("a.db")), 10);
}

#[test]
fn a_path_may_hold_any_character() {
    let scratch = Scratch::new();
    let name = "a?b#c%41 \u{e9}.db";
    let db = scratch.open(name);
    fill(&db, 0..10);
    db.close().unwrap();
    assert_eq!(inspect(&scratch.path(name)), 10);
    assert_eq!(folder(&scratch).keys().filter(|name| name.ends_with("-wal")).count(), 0);
}

/// The user and the group without any rights, on most systems.
const NOBODY: u32 = 65_534;
