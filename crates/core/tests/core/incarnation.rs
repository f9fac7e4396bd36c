//! When a database goes on under its site, and when it must take a new one.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::sync::sync;
use crate::support::{Scratch, Wall, assert_sound, copy_database, delete, put, shard, shown};
use vectr_core::{Config, VectrDB};
use vectr_delta::{NodeName, SiteId, Timestamp};

const NOW: Timestamp = Timestamp::from_micros(Wall::START);

fn written(scratch: &Scratch, name: &str) -> SiteId {
    let db = scratch.open(name);
    put(&db, "a", &[1.0]);
    db.close().unwrap();
    db.site()
}

#[test]
fn a_closed_database_keeps_its_site() {
    let scratch = Scratch::new();
    let site = written(&scratch, "a.db");
    for _ in 0..3 {
        let db = scratch.open("a.db");
        assert_eq!(db.site(), site);
        put(&db, "a", &[2.0]);
        db.close().unwrap();
    }
    // An opening that writes nothing leaves the proof as it was.
    assert_eq!(scratch.open("a.db").site(), site);
    assert_eq!(scratch.open("a.db").site(), site);
}

#[test]
fn a_database_that_is_dropped_is_closed() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    let site = db.site();
    drop(db);
    assert!(!scratch.path("a.db-wal").exists());
    assert_eq!(scratch.open("a.db").site(), site);
}

#[test]
fn a_killed_process_keeps_its_site_and_its_writes() {
    let scratch = Scratch::new();
    let (site, mut child) = child_that_writes(&scratch);
    child.kill().unwrap();
    child.wait().unwrap();
    let db = scratch.open("a.db");
    assert_eq!((db.site(), db.count(&shard()).unwrap()), (site, 100));
    assert_sound(&db);
    assert!(db.await_durable(db.commit_no()).unwrap() >= db.commit_no());
    db.close().unwrap();
    assert_eq!(scratch.open("a.db").site(), site);
}

#[test]
fn a_killed_process_whose_file_lost_its_log_takes_a_new_site() {
    let scratch = Scratch::new();
    let (site, mut child) = child_that_writes(&scratch);
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(scratch.path("a.db-wal")).unwrap();
    assert_ne!(scratch.open("a.db").site(), site);
}

#[test]
fn a_copied_file_takes_a_new_site_and_the_original_keeps_its_own() {
    let scratch = Scratch::new();
    let site = written(&scratch, "a.db");
    copy_database(&scratch.path("a.db"), &scratch.path("b.db"));
    let copy = scratch.open("b.db");
    assert_ne!(copy.site(), site);
    put(&copy, "a", &[2.0]);
    let original = scratch.open("a.db");
    assert_eq!(original.site(), site);
    put(&original, "a", &[3.0]);
    sync(&shard(), (&original, 0), (&copy, 1), NOW);
    assert_eq!(original.conflicts(None).unwrap().len(), 1);
    assert_eq!(original.digest(&shard()).unwrap(), copy.digest(&shard()).unwrap());
}

#[test]
fn a_moved_file_takes_a_new_site() {
    let scratch = Scratch::new();
    let site = written(&scratch, "a.db");
    std::fs::rename(scratch.path("a.db"), scratch.path("b.db")).unwrap();
    assert_ne!(scratch.open("b.db").site(), site);
}

#[test]
fn a_file_restored_in_place_takes_a_new_site() {
    let scratch = Scratch::new();
    let site = written(&scratch, "a.db");
    let older = std::fs::read(scratch.path("a.db")).unwrap();
    let db = scratch.open("a.db");
    put(&db, "b", &[2.0]);
    db.close().unwrap();
    assert_eq!(db.site(), site);
    // Written over, so that the file keeps its number.
    std::fs::write(scratch.path("a.db"), older).unwrap();
    let db = scratch.open("a.db");
    assert_ne!(db.site(), site);
    assert_eq!((shown(&db, "a"), shown(&db, "b")), (Some(vec![1.0]), None));
}

#[test]
fn a_file_restored_as_it_was_left_goes_on() {
    let scratch = Scratch::new();
    let site = written(&scratch, "a.db");
    let same = std::fs::read(scratch.path("a.db")).unwrap();
    std::fs::write(scratch.path("a.db"), same).unwrap();
    assert_eq!(scratch.open("a.db").site(), site);
}

#[test]
fn without_its_record_a_database_takes_a_new_site() {
    let scratch = Scratch::new();
    let site = written(&scratch, "a.db");
    std::fs::remove_dir_all(scratch.runtime_dir()).unwrap();
    assert_ne!(scratch.open("a.db").site(), site);
}

#[test]
fn where_no_record_can_be_kept_the_database_works_under_new_sites() {
    let scratch = Scratch::new();
    written(&scratch, "other.db");
    // A file in the place of the folder.
    let blocked = scratch.path("other.db");
    let open = || VectrDB::new(scratch.config("a.db").runtime_dir(blocked.clone())).unwrap();
    let db = open();
    put(&db, "a", &[1.0]);
    db.close().unwrap();
    let again = open();
    assert_ne!(again.site(), db.site());
    assert_eq!(shown(&again, "a"), Some(vec![1.0]));
}

#[test]
fn in_memory_every_database_is_a_new_site() {
    let open = || VectrDB::new(Config::default()).unwrap();
    assert_ne!(open().site(), open().site());
    assert!(!open().is_durable() && open().path().is_none());
}

#[test]
fn a_restored_node_that_writes_more_than_it_lost_loses_nothing() {
    let scratch = Scratch::new();
    let wall = Wall::new();
    let open = |name: &str| scratch.open_at(name, &wall);
    let (a, b) = (open("a.db"), open("b.db"));
    put(&a, "shared", &[1.0]);
    sync(&shard(), (&a, 0), (&b, 1), NOW);
    a.close().unwrap();
    let older = std::fs::read(scratch.path("a.db")).unwrap();
    let a = open("a.db");
    for i in 0..5 {
        put(&a, &format!("lost{i}"), &[i as f32]);
    }
    put(&a, "shared", &[2.0]);
    sync(&shard(), (&a, 0), (&b, 1), NOW);
    a.close().unwrap();
    std::fs::write(scratch.path("a.db"), older).unwrap();
    let a = open("a.db");
    for i in 0..20 {
        put(&a, &format!("new{i}"), &[i as f32]);
    }
    assert!(delete(&a, "new19"));
    sync(&shard(), (&a, 0), (&b, 1), NOW);
    for db in [&a, &b] {
        assert_eq!(db.count(&shard()).unwrap(), 1 + 5 + 19);
        assert_eq!((shown(db, "shared"), shown(db, "lost4")), (Some(vec![2.0]), Some(vec![4.0])));
        assert_eq!(shown(db, "new18"), Some(vec![18.0]));
        assert_sound(db);
    }
    assert_eq!(a.digest(&shard()).unwrap(), b.digest(&shard()).unwrap());
}

/// Two files that go on under one site, as no record could tell them apart: what the sync itself has to notice.
#[test]
fn a_fork_that_no_record_shows_is_noticed_by_the_sync() {
    let scratch = Scratch::new();
    let wall = Wall::new();
    let (a, b) = (scratch.open_at("a.db", &wall), scratch.open_at("b.db", &wall));
    put(&a, "shared", &[1.0]);
    sync(&shard(), (&a, 0), (&b, 1), NOW);
    a.close().unwrap();
    let file = std::fs::read(scratch.path("a.db")).unwrap();
    let state = copy_of_folder(&scratch.runtime_dir());
    let a = scratch.open_at("a.db", &wall);
    let site = a.site();
    put(&a, "first", &[1.0]);
    put(&a, "first", &[2.0]);
    sync(&shard(), (&a, 0), (&b, 1), NOW);
    a.close().unwrap();
    // File and record are put back together, as a snapshot of the whole machine would.
    std::fs::write(scratch.path("a.db"), file).unwrap();
    for (path, content) in state {
        std::fs::write(path, content).unwrap();
    }
    let a = scratch.open_at("a.db", &wall);
    assert_eq!(a.site(), site);
    put(&a, "second", &[3.0]);
    sync(&shard(), (&a, 0), (&b, 1), NOW);
    assert_ne!(a.site(), site);
    for db in [&a, &b] {
        assert_eq!((shown(db, "first"), shown(db, "second")), (Some(vec![2.0]), Some(vec![3.0])));
    }
    assert_eq!(a.digest(&shard()).unwrap(), b.digest(&shard()).unwrap());
    a.close().unwrap();
    assert_eq!(scratch.open_at("a.db", &wall).site(), a.site());
}

#[test]
fn a_backup_is_another_site_with_the_same_vectors() {
    let scratch = Scratch::new();
    let node = || NodeName::new("node-1").unwrap();
    let db = VectrDB::new(scratch.config("a.db").node(node())).unwrap();
    for i in 0..100 {
        put(&db, &format!("v{i}"), &[i as f32]);
    }
    let target = scratch.path("backup.db");
    db.backup(&target).unwrap();
    put(&db, "later", &[1.0]);
    assert_eq!(db.backup(&target).unwrap_err().code(), "ERR_EXISTS");
    let leftovers = std::fs::read_dir(target.parent().unwrap())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".part"));
    assert_eq!(leftovers.count(), 0);
    let copy = scratch.open("backup.db");
    assert_eq!(
        (copy.count(&shard()).unwrap(), copy.node(), shown(&copy, "later")),
        (100, Some(node()), None)
    );
    assert_ne!(copy.site(), db.site());
    sync(&shard(), (&db, 0), (&copy, 1), NOW);
    assert_eq!(db.digest(&shard()).unwrap(), copy.digest(&shard()).unwrap());
    assert_eq!(db.backup(&scratch.path("no/such/folder.db")).unwrap_err().code(), "ERR_STORAGE");
}

#[test]
fn a_backup_in_memory_is_a_file() {
    let scratch = Scratch::new();
    let db = VectrDB::new(Config::default().shard(shard())).unwrap();
    put(&db, "a", &[1.0]);
    std::fs::create_dir_all(scratch.path("")).unwrap();
    db.backup(&scratch.path("backup.db")).unwrap();
    assert_eq!(shown(&scratch.open("backup.db"), "a"), Some(vec![1.0]));
}

/// Run as a process of its own by the tests that kill it.
#[test]
#[ignore = "the other half of tests that kill a process"]
fn child() {
    let Some(folder) = std::env::var_os("VECTR_TEST_CHILD") else { return };
    let folder = std::path::PathBuf::from(folder);
    let mut config = Config::file(folder.join("data/a.db"));
    config.shard(shard());
    let db = VectrDB::new(config).unwrap();
    // Few enough that no checkpoint runs: all of it is in the log when the process dies.
    for i in 0..100 {
        put(&db, &format!("v{i}"), &[i as f32]);
        if i == 50 {
            db.await_durable(db.commit_no()).unwrap();
        }
    }
    println!("site {}", db.site());
    // Until it is killed.
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
}

fn child_that_writes(scratch: &Scratch) -> (SiteId, std::process::Child) {
    let folder = scratch.path("").parent().unwrap().to_owned();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "incarnation::child", "--ignored", "--nocapture"])
        .env("VECTR_TEST_CHILD", folder)
        .env("VECTR_RUNTIME_DIR", scratch.runtime_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let site = lines.map(Result::unwrap).find_map(|line| Some(line.split_once("site ")?.1.parse().unwrap()));
    (site.unwrap(), child)
}

fn copy_of_folder(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}
