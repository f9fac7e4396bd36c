//! What a user may rely on when files are put back, copied and moved, and when clocks are wrong: nothing acknowledged is
//! lost, nodes agree, and no vector is rewritten. Machines are modelled by files that are put back in place, with the
//! same inode, while volatile memory goes on.

use std::fs;

use vectr_core::{Config, Target, VectrDB};
use vectr_delta::{
    Batch, Dot, Ending, HelloOffer, MAX_SAFE_INTEGER, NodeName, RemoteApply, Row, Sibling, Strategy,
    Timestamp, VectorRow, VersionVector,
};

use crate::support::sync::{session, sync};
use crate::support::{Scratch, Wall, assert_sound, id, payload, peer, put, shard, shown, store};

const NOW: Timestamp = Timestamp::from_micros(Wall::START);

/// How many changes are lost, how many are written afterwards, and whether to the same vectors.
#[derive(Clone, Copy, Debug)]
struct Case {
    lost: usize,
    new: usize,
    same: bool,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for lost in [1, 10, 1_000] {
        for new in [lost / 2, lost, lost + 3] {
            cases.extend([true, false].map(|same| Case { lost, new, same }));
        }
    }
    cases
}

fn put_many(db: &VectrDB, prefix: &str, count: usize, value: f32) {
    db.transaction(|all| {
        let vectors = all.shard("notes")?;
        (0..count)
            .try_for_each(|i| vectors.upsert(format!("{prefix}{i}").as_str(), &[value, i as f32]).map(drop))
    })
    .unwrap();
}

fn stamps(db: &VectrDB, count: usize) -> Vec<Timestamp> {
    let stamp = |i| db.get(Target::shard(&shard()), &id(&format!("base{i}"))).unwrap().unwrap().timestamp;
    (0..count).map(stamp).collect()
}

fn assert_equal(nodes: &[&VectrDB]) {
    for db in nodes {
        assert_sound(db);
        assert_eq!(db.digest(&shard()).unwrap(), nodes[0].digest(&shard()).unwrap());
    }
}

/// A snapshot of the machine is put back in one boot: everything on disk, nothing in memory.
#[test]
fn a_machine_put_back_to_a_snapshot_gets_everything_back_from_its_peers() {
    for case in cases() {
        let scratch = Scratch::new();
        let wall = Wall::new();
        let open = |name: &str| scratch.open_at(name, &wall);
        let (a, hub, third) = (open("a.db"), open("hub.db"), open("third.db"));
        put_many(&a, "base", 20, 0.0);
        sync(&shard(), (&a, 0), (&hub, 1), NOW);
        a.close().unwrap();
        let snapshot = fs::read(scratch.path("a.db")).unwrap();
        let a = open("a.db");
        wall.set(Wall::START + 1_000_000);
        put_many(&a, "lost", case.lost, 1.0);
        sync(&shard(), (&a, 0), (&hub, 1), NOW);
        let site = a.site();
        a.close().unwrap();
        fs::write(scratch.path("a.db"), snapshot).unwrap();
        wall.set(Wall::START + 2_000_000);
        let a = open("a.db");
        assert_ne!(a.site(), site);
        let before = stamps(&a, 20);
        put_many(&a, if case.same { "lost" } else { "new" }, case.new, 2.0);
        // Straight, and through a node that has only seen the hub.
        sync(&shard(), (&a, 0), (&hub, 1), NOW);
        sync(&shard(), (&third, 2), (&hub, 1), NOW);
        sync(&shard(), (&third, 2), (&a, 0), NOW);
        assert_equal(&[&a, &hub, &third]);
        let expected = 20 + case.lost.max(case.new) + if case.same { 0 } else { case.lost.min(case.new) };
        let expected = expected as u64;
        for db in [&a, &hub, &third] {
            assert_eq!(db.count(&shard()).unwrap(), expected, "{case:?}");
            assert_eq!(stamps(db, 20), before, "{case:?}");
        }
    }
}

#[test]
fn two_copies_of_a_file_that_go_on_are_two_nodes() {
    for case in cases() {
        let scratch = Scratch::new();
        let wall = Wall::new();
        let a = scratch.open_at("a.db", &wall);
        put_many(&a, "base", 20, 0.0);
        a.close().unwrap();
        fs::copy(scratch.path("a.db"), scratch.path("b.db")).unwrap();
        let (a, b) = (scratch.open_at("a.db", &wall), scratch.open_at("b.db", &wall));
        let hub = scratch.open_at("hub.db", &wall);
        for db in [&a, &b] {
            db.set_strategy(&shard(), Strategy::Manual).unwrap();
        }
        put_many(&a, "lost", case.lost, 1.0);
        put_many(&b, if case.same { "lost" } else { "new" }, case.new, 2.0);
        for _ in 0..2 {
            sync(&shard(), (&a, 0), (&hub, 1), NOW);
            sync(&shard(), (&b, 2), (&hub, 1), NOW);
        }
        assert_equal(&[&a, &b, &hub]);
        let both = if case.same { case.lost.min(case.new) } else { 0 };
        assert_eq!(a.count(&shard()).unwrap() as usize, 20 + case.lost + case.new - both);
        assert_eq!(a.conflicts(Some(&shard())).unwrap().len(), both, "{case:?}");
    }
}

#[test]
fn a_restored_backup_never_rewrites_what_the_original_wrote() {
    let scratch = Scratch::new();
    let wall = Wall::new();
    let hour = 3_600_000_000;
    wall.set(Wall::START + hour);
    let a = scratch.open_at("a.db", &wall);
    put_many(&a, "base", 20, 0.0);
    a.backup(&scratch.path("c.db")).unwrap();
    let c = scratch.open_at("c.db", &wall);
    put(&c, "own", &[1.0, 1.0]);
    // The copy finds its clock corrected, and writes its own change again, not those of the original.
    wall.set(Wall::START);
    let before = c.shard_statistics(&shard()).unwrap().change_id;
    let peer = scratch.open_at("peer.db", &wall);
    sync(&shard(), (&c, 1), (&peer, 2), NOW);
    assert_eq!(c.shard_statistics(&shard()).unwrap().change_id - before, 1);
}

#[test]
fn an_opening_that_writes_nothing_and_meets_nobody_takes_no_site() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    db.close().unwrap();
    fs::remove_dir_all(scratch.runtime_dir()).unwrap();
    for _ in 0..5 {
        let db = scratch.open("a.db");
        assert_eq!(shown(&db, "a"), Some(vec![1.0]));
        assert_eq!(db.overview().unwrap().site, db.site());
        db.close().unwrap();
    }
    let raw = rusqlite::Connection::open(scratch.path("a.db")).unwrap();
    let sites: i64 = raw.query_row("SELECT count(*) FROM site WHERE own = 1", [], |row| row.get(0)).unwrap();
    assert_eq!(sites, 1);
}

#[test]
fn a_folder_on_a_disk_proves_nothing() {
    let scratch = Scratch::new();
    let disk = scratch.path("state");
    let open = || VectrDB::new(scratch.config("a.db").runtime_dir(&disk)).unwrap();
    let db = open();
    put(&db, "a", &[1.0]);
    db.close().unwrap();
    let again = open();
    assert!(again.site() != db.site() && fs::read_dir(&disk).is_err());
}

#[test]
fn a_database_that_meets_itself_says_so_and_changes_nothing() {
    let scratch = Scratch::new();
    let wall = Wall::new();
    let a = scratch.open_at("a.db", &wall);
    put_many(&a, "base", 50, 1.0);
    let (site, before) = (a.site(), a.shard_statistics(&shard()).unwrap());
    for _ in 0..5 {
        let (left, right) = session(&shard(), (&a, 0), (&a, 0), NOW);
        for ending in [left.ending, right.ending] {
            assert!(
                matches!(&ending, Ending::Failed { code, retry: false, .. } if code == "ERR_CONFIG"),
                "{ending:?}"
            );
        }
    }
    let after = a.shard_statistics(&shard()).unwrap();
    assert_eq!(
        (a.site(), after.change_id, after.version_vector),
        (site, before.change_id, before.version_vector)
    );
}

#[test]
fn a_row_that_claims_this_nodes_future_does_not_keep_its_vector_from_syncing() {
    let scratch = Scratch::new();
    let wall = Wall::new();
    let (v, w, liar) =
        (scratch.open_at("v.db", &wall), scratch.open_at("w.db", &wall), scratch.open_at("l.db", &wall));
    v.set_strategy(&shard(), Strategy::Manual).unwrap();
    put(&v, "mine", &[1.0]);
    put(&w, "other", &[1.0]);
    sync(&shard(), (&v, 0), (&w, 1), NOW);
    let dot = Dot { site: liar.site(), seq: 1 };
    let version = Sibling::put(dot, NOW, true, payload(&[6.0]));
    let context = [(v.site(), MAX_SAFE_INTEGER)].into_iter().collect();
    let row = VectorRow { id: id("x"), row: Row::of_write(version, context) };
    let offer = HelloOffer {
        nonce: 77,
        codecs: vec![0],
        live: false,
        node: NodeName::new("liar").unwrap(),
        clock: NOW,
        window: 4,
    };
    let (hello, _) = store::read_hello(&liar, peer(1), offer);
    store::meet(&w, hello.clone());
    let batch = Batch {
        nonce: 77,
        index: 0,
        position: 1,
        frontier: VersionVector::new(),
        names: [].into(),
        rows: vec![row],
    };
    store::apply(&w, Box::new(RemoteApply::new(peer(7), &hello, 0)), vec![batch]);
    put(&v, "x", &[100.0]);
    for i in 0..20 {
        put(&v, &format!("after{i}"), &[1.0]);
    }
    for _ in 0..2 {
        sync(&shard(), (&v, 0), (&w, 1), NOW);
    }
    put(&v, "x", &[101.0]);
    sync(&shard(), (&v, 0), (&w, 1), NOW);
    assert_equal(&[&v, &w]);
    for db in [&v, &w] {
        assert_eq!((shown(db, "x"), shown(db, "mine")), (Some(vec![101.0]), Some(vec![1.0])));
        assert_eq!(db.count(&shard()).unwrap(), 23);
    }
    // What was written again is no conflict.
    assert!(v.conflicts(None).unwrap().is_empty());
}

#[test]
fn a_clock_that_is_behind_rewrites_nothing_and_its_edits_still_win() {
    for behind in [Wall::START + 3_600_000_000 - 90_000_000, 10_000_000] {
        let scratch = Scratch::new();
        let wall = Wall::new();
        let (a, b) = (scratch.open_at("a.db", &wall), scratch.open_at("b.db", &wall));
        put_many(&a, "base", 50, 0.0);
        sync(&shard(), (&a, 0), (&b, 1), NOW);
        wall.set(Wall::START + 1_000_000);
        put(&b, "base1", &[-1.0, 0.0]);
        wall.set(Wall::START + 3_600_000_000);
        put(&a, "base1", &[77.0, 0.0]);
        let before = stamps(&a, 50);
        a.close().unwrap();
        wall.set(behind);
        let a = scratch.open_at("a.db", &wall);
        put(&a, "base2", &[5.0, 0.0]);
        let now = Timestamp::from_micros(Wall::START + 7_200_000_000);
        wall.set(now.as_micros());
        let (sent, _) = sync(&shard(), (&a, 0), (&b, 1), now);
        assert_eq!(sent.rows_sent, 2);
        let after = stamps(&a, 50);
        assert!(after.iter().zip(&before).enumerate().all(|(i, (after, before))| i == 2 || after == before));
        assert!(after[2] > before[2]);
        for db in [&a, &b] {
            assert_eq!(shown(db, "base1"), Some(vec![77.0, 0.0]));
            assert_eq!(shown(db, "base2"), Some(vec![5.0, 0.0]));
        }
        assert_equal(&[&a, &b]);
    }
}

#[test]
fn a_database_without_a_runtime_folder_still_converges() {
    let scratch = Scratch::new();
    let open = || {
        let mut config = Config::file(scratch.path("a.db"));
        VectrDB::new(config.shard(shard()).runtime_dir(scratch.path("nowhere"))).unwrap()
    };
    let b = scratch.open("b.db");
    for round in 0..4 {
        let a = open();
        put(&a, &format!("v{round}"), &[round as f32]);
        sync(&shard(), (&a, 0), (&b, 1), a.now());
        assert_equal(&[&a, &b]);
        a.close().unwrap();
    }
    assert_eq!(b.count(&shard()).unwrap(), 4);
}
