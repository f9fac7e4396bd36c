//! The session that a file remembers.

use std::collections::BTreeSet;

use crate::support::{Scratch, Wall, copy_database, put, shard, store};
use vectr_core::replication::restore_session;
use vectr_core::{Config, VectrDB};
use vectr_delta::Timestamp;

#[test]
fn a_session_is_made_once_and_kept() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let db = scratch.open_at("a.db", &wall);
    let first = restore_session(&db).unwrap();
    assert_eq!(first.created_at, Timestamp::from_micros(Wall::START));
    assert_eq!(first.id.len(), 36);
    let commits = db.commit_no();
    wall.set(Wall::START + 1_000);
    assert_eq!((restore_session(&db).unwrap(), db.commit_no()), (first.clone(), commits));
    db.close().unwrap();
    let db = scratch.open_at("a.db", &wall);
    assert_eq!(restore_session(&db).unwrap(), first);
    assert_eq!(db.shards().unwrap(), []);
}

#[test]
fn all_who_ask_at_once_get_one_session() {
    let scratch = Scratch::new();
    for db in [scratch.open("a.db"), VectrDB::new(Config::default()).unwrap()] {
        let ids: BTreeSet<String> = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| restore_session(&db).unwrap().id)).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 1);
    }
}

#[test]
fn a_backup_and_a_copy_begin_sessions_of_their_own() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    let session = restore_session(&db).unwrap();
    db.backup(&scratch.path("backup.db")).unwrap();
    db.close().unwrap();
    copy_database(&scratch.path("a.db"), &scratch.path("copy.db"));
    let mut ids = BTreeSet::from([session.id.clone()]);
    for name in ["backup.db", "copy.db"] {
        let own = restore_session(&scratch.open(name)).unwrap();
        assert!(ids.insert(own.id.clone()), "{name}");
        assert_eq!(restore_session(&scratch.open(name)).unwrap(), own);
    }
    assert_eq!(restore_session(&scratch.open("a.db")).unwrap(), session);
}

#[test]
fn a_new_site_begins_a_new_session() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    let session = restore_session(&db).unwrap();
    store::renew(&db);
    assert_ne!(restore_session(&db).unwrap().id, session.id);
    assert_eq!(db.count(&shard()).unwrap(), 1);
}
