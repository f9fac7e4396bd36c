//! Rows that were damaged, altered or removed behind the database's back come back from a peer.

use super::{DAMAGES, NOW};
use crate::support::cluster::Cluster;
use crate::support::sync::{session, sync};
use crate::support::{delete, id, put, shard, shown, store};
use rusqlite::Connection;
use vectr_core::replication::scrub;
use vectr_core::{DeltaScope, Inspection, Search, Target, VectrDB};
use vectr_delta::{Ending, LocalWrite, PageSize, SessionReport, Strategy, Timestamp, Warning};

/// Runs SQL on the closed file of a node, as another program does, and opens it again.
pub(super) fn alter(cluster: &mut Cluster, node: usize, sql: &str) {
    cluster.nodes[node].close().unwrap();
    let raw = Connection::open(cluster.scratch.path(&format!("{node}.db"))).unwrap();
    raw.execute_batch(sql).unwrap();
    raw.close().unwrap();
    cluster.reopen(node);
}

/// Two nodes that hold the same: vectors written by the one and by the other.
pub(super) fn synced(rows: usize) -> Cluster {
    let cluster = Cluster::new(2);
    for (node, db) in cluster.nodes.iter().enumerate() {
        let transaction = db.begin().unwrap();
        let at = shard();
        for number in 0..rows {
            let target = Target { shard: &at, transaction: Some(transaction) };
            let payload = crate::support::payload(&[number as f32, 1.0]);
            db.upsert(target, &id(&format!("{node}-{number:05}")), payload).unwrap();
        }
        db.commit(transaction).unwrap();
    }
    cluster.settle();
    cluster
}

/// One session, which must not end in a restart: a node that took lost rows for a fork would need one.
pub(super) fn once(cluster: &Cluster, a: usize, b: usize) -> (SessionReport, SessionReport) {
    let (left, right) = session(&shard(), (&cluster.nodes[a], a as u8), (&cluster.nodes[b], b as u8), NOW);
    assert_eq!((left.ending, right.ending), (Ending::Finished, Ending::Finished));
    (left.report, right.report)
}

pub(super) fn assert_whole(cluster: &Cluster) {
    cluster.assert_equal();
    for (number, db) in cluster.nodes.iter().enumerate() {
        let found =
            Inspection::open(&cluster.scratch.path(&format!("{number}.db"))).unwrap().verify().unwrap();
        assert_eq!(found.faults, [], "node {number}");
        assert_eq!(found.shards[0].computed, db.digest(&shard()).unwrap());
    }
}

/// Whether the file says that the shard is to be repaired.
pub(super) fn is_marked(cluster: &Cluster, node: usize) -> bool {
    let raw = Connection::open(cluster.scratch.path(&format!("{node}.db"))).unwrap();
    let marks = "SELECT count(*) FROM altered WHERE present = 1";
    raw.query_row(marks, [], |row| row.get::<_, i64>(0)).unwrap() == 1
}

// The peer took the row for held for ever, and its owner reported the damage at each use.
#[test]
fn a_damaged_vector_comes_back_with_the_next_sync() {
    let more = ["timestamp = timestamp + 1", "operation = 2", "hash = zeroblob(16)", "context = '{}'"];
    for damage in DAMAGES.into_iter().chain(more) {
        for vector in ["0-00001", "1-00001"] {
            let mut cluster = synced(3);
            let site = cluster.nodes[0].site();
            alter(&mut cluster, 0, &format!("UPDATE row SET {damage} WHERE id = '{vector}'"));
            assert!(is_marked(&cluster, 0));
            let (left, right) = once(&cluster, 0, 1);
            assert_eq!((left.repairs, right.repairs), (1, 1), "{damage}");
            assert_whole(&cluster);
            assert_eq!(shown(&cluster.nodes[0], vector), Some(vec![1.0, 1.0]), "{damage}");
            assert!(cluster.nodes[0].site() == site && !is_marked(&cluster, 0), "{damage}");
            let (left, right) = once(&cluster, 0, 1);
            assert_eq!((left.repairs, right.repairs, left.warnings.len()), (0, 0, 0), "{damage}");
        }
    }
}

#[test]
fn a_repair_is_told() {
    let mut cluster = synced(3);
    alter(&mut cluster, 0, "UPDATE row SET vector = zeroblob(8) WHERE id = '1-00001'");
    let (left, right) = once(&cluster, 0, 1);
    assert_eq!((left.rows_repaired, right.rows_repaired, left.rows_applied), (1, 0, 0));
    assert_eq!(left.warnings, [Warning::Repaired { rows: 1, damaged: 0 }]);
    assert!(!left.digests_differ && !right.digests_differ);
}

// A vector that was removed with other tools stayed lost, and if the peer had written to it since, the node took itself
// for a copy of a running one.
#[test]
fn a_removed_vector_comes_back_with_the_next_sync() {
    for removed in ["id = '0-00001'", "id = '1-00001'", "id LIKE '0-%'", "true"] {
        let mut cluster = synced(20);
        let site = cluster.nodes[0].site();
        alter(&mut cluster, 0, &format!("DELETE FROM row WHERE {removed}"));
        put(&cluster.nodes[1], "0-00001", &[7.0, 7.0]);
        let (left, _) = once(&cluster, 0, 1);
        assert!(left.rows_repaired > 0 || removed == "id = '0-00001'", "{removed}");
        assert_whole(&cluster);
        assert_eq!(cluster.nodes[0].count(&shard()).unwrap(), 40);
        assert_eq!(shown(&cluster.nodes[0], "0-00001"), Some(vec![7.0, 7.0]));
        assert!(cluster.nodes[0].site() == site && !is_marked(&cluster, 0));
        assert_eq!(once(&cluster, 0, 1).0.repairs, 0);
    }
}

/// What makes a row such that not even its version can be made out.
const UNREADABLE: [&str; 6] =
    ["context = 'x'", "site = 9999", "seq = -1", "timestamp = -1", "versions = 'x'", "applied_at = 'x'"];

// Every sync with a peer that had the row failed, for ever.
#[test]
fn a_row_that_cannot_be_read_comes_back_with_the_next_sync() {
    for damage in UNREADABLE {
        for vector in ["0-00001", "1-00001"] {
            for trace in ["", "DROP TRIGGER row_altered;"] {
                let mut cluster = synced(3);
                let site = cluster.nodes[0].site();
                alter(&mut cluster, 0, &format!("{trace} UPDATE row SET {damage} WHERE id = '{vector}'"));
                assert_eq!(is_marked(&cluster, 0), trace.is_empty());
                if !trace.is_empty() {
                    assert_eq!(cluster.nodes[0].prepare_repair().unwrap()[0].damaged, 1, "{damage}");
                }
                once(&cluster, 0, 1);
                assert_whole(&cluster);
                assert_eq!(shown(&cluster.nodes[0], vector), Some(vec![1.0, 1.0]), "{damage}");
                assert!(cluster.nodes[0].site() == site && !is_marked(&cluster, 0), "{damage}");
                let (left, right) = once(&cluster, 0, 1);
                assert_eq!((left.repairs, right.repairs, left.warnings.len()), (0, 0, 0), "{damage}");
            }
        }
    }
}

// Its owner could neither replace nor delete it.
#[test]
fn a_row_that_cannot_be_read_can_be_written_anew_or_deleted() {
    let replaced = |db: &VectrDB| put(db, "0-00001", &[7.0, 7.0]);
    let deleted = |db: &VectrDB| assert!(delete(db, "0-00001"));
    let at = shard();
    for damage in UNREADABLE {
        for (write, expected) in
            [(&replaced as &dyn Fn(&VectrDB), Some(vec![7.0, 7.0])), (&deleted as &dyn Fn(&VectrDB), None)]
        {
            let mut cluster = synced(3);
            alter(&mut cluster, 0, &format!("UPDATE row SET {damage} WHERE id = '0-00001'"));
            let db = &cluster.nodes[0];
            let payload = || crate::support::payload(&[5.0, 5.0]);
            let inserted = db.insert(Target::shard(&at), Some(id("0-00001")), payload());
            assert_eq!(inserted.unwrap_err().code(), "ERR_EXISTS", "{damage}");
            let vector = Some(payload().vector().clone());
            let updated = db.update(Target::shard(&at), &id("0-00001"), vector, None);
            assert_eq!(updated.unwrap_err().code(), "ERR_STORAGE", "{damage}");
            write(db);
            assert_eq!(shown(db, "0-00001"), expected, "{damage}");
            once(&cluster, 0, 1);
            assert_whole(&cluster);
            for db in &cluster.nodes {
                assert_eq!(shown(db, "0-00001"), expected, "{damage}");
            }
            assert!(!is_marked(&cluster, 0));
        }
    }
}

#[test]
fn a_conflict_that_cannot_be_read_comes_back_with_all_of_its_versions() {
    for damage in UNREADABLE {
        let mut cluster = in_conflict();
        alter(&mut cluster, 0, &format!("UPDATE row SET {damage} WHERE id = 'same'"));
        once(&cluster, 0, 1);
        cluster.assert_equal();
        assert_resolvable(&cluster, "same");
    }
}

/// Two nodes of which each has written the vector `same`, which has the greatest number in the first one's file.
fn in_conflict() -> Cluster {
    let cluster = Cluster::new(2);
    for (node, db) in cluster.nodes.iter().enumerate() {
        db.set_strategy(&shard(), Strategy::Manual).unwrap();
        put(db, "same", &[node as f32]);
    }
    cluster.settle();
    cluster
}

/// Both nodes have one conflict, of two versions; choosing on the first one settles it.
fn assert_resolvable(cluster: &Cluster, vector: &str) {
    let mut conflicts = Vec::new();
    for db in &cluster.nodes {
        conflicts.extend(db.pending_conflicts(None).unwrap());
    }
    assert_eq!(conflicts.len(), 2);
    assert!(conflicts.iter().all(|found| found.id == id(vector) && found.row.siblings().len() == 2));
    let chosen = LocalWrite::Put(crate::support::payload(&[9.0]));
    cluster.nodes[0].resolve_conflict(&conflicts[0].conflict, None, chosen).unwrap();
    once(cluster, 0, 1);
    assert_whole(cluster);
    assert!(cluster.nodes.iter().all(|db| db.pending_conflicts(None).unwrap().is_empty()));
    assert_eq!(shown(&cluster.nodes[1], vector), Some(vec![9.0]));
}

// The versions of a removed vector stayed behind. SQLite gave its number to it again, and each sync failed because they
// were there already.
#[test]
fn a_removed_conflict_comes_back() {
    // The trigger of former files left the versions behind.
    for trace in ["", "DROP TRIGGER row_removed;"] {
        let mut cluster = in_conflict();
        alter(&mut cluster, 0, &format!("{trace} DELETE FROM row WHERE id = 'same'"));
        if !trace.is_empty() {
            assert!(cluster.nodes[0].prepare_repair().unwrap()[0].corrected);
        }
        once(&cluster, 0, 1);
        cluster.assert_equal();
        assert_resolvable(&cluster, "same");
    }
}

// The versions of a removed vector showed as versions of another one that got its number.
#[test]
fn a_removed_conflict_leaves_nothing_to_the_vector_that_gets_its_number() {
    for trace in ["", "DROP TRIGGER row_removed;"] {
        let mut cluster = in_conflict();
        alter(&mut cluster, 0, &format!("{trace} DELETE FROM row WHERE id = 'same'"));
        put(&cluster.nodes[0], "other", &[3.0]);
        put(&cluster.nodes[1], "other", &[4.0]);
        let left = "SELECT count(*) FROM vector_changelog";
        let count = cluster.nodes[0].query(left, vec![]).unwrap().rows;
        assert_eq!(count, [[vectr_core::Value::Integer(1)]], "{trace}");
        once(&cluster, 0, 1);
        let conflicts = cluster.nodes[0].pending_conflicts(None).unwrap();
        let other = conflicts.iter().find(|found| found.id == id("other")).unwrap();
        let mut vectors: Vec<_> =
            other.row.siblings().iter().filter_map(|version| version.payload()).collect();
        vectors.sort_by(|one, two| one.vector().cmp(two.vector()));
        let mut expected = [crate::support::payload(&[3.0]), crate::support::payload(&[4.0])];
        expected.sort_by(|one, two| one.vector().cmp(two.vector()));
        assert_eq!(vectors, expected.iter().collect::<Vec<_>>(), "{trace}");
    }
}

/// Damages a vector without a trace, as a disk does.
fn rot(cluster: &mut Cluster, vector: &str) {
    let sql = "DROP TRIGGER row_altered; UPDATE row SET vector = zeroblob(8) WHERE id = ";
    alter(cluster, 0, &format!("{sql}'{vector}'"));
    assert!(!is_marked(cluster, 0));
}

// Damage that nothing but its use reveals was reported at each use, and repaired by no sync.
#[test]
fn damage_that_shows_in_use_is_repaired_by_the_next_sync() {
    let uses: [fn(&VectrDB); 3] = [
        |db| assert_eq!(db.get(Target::shard(&shard()), &id("0-00001")).unwrap_err().code(), "ERR_STORAGE"),
        |db| assert_eq!(db.search(&Search::new(shard(), vec![1.0, 1.0])).unwrap().damaged, [id("0-00001")]),
        |db| assert_eq!(store::read_page(db, PageSize::default()).withheld.len(), 1),
    ];
    for used in uses {
        let mut cluster = synced(3);
        rot(&mut cluster, "0-00001");
        assert_eq!(once(&cluster, 0, 1).0.repairs, 0);
        used(&cluster.nodes[0]);
        // The note was handed to the writer, which is done with it before this.
        cluster.nodes[0].set_strategy(&shard(), Strategy::Merge).unwrap();
        assert_eq!(once(&cluster, 0, 1).0.rows_repaired, 1);
        assert_whole(&cluster);
        assert!(!is_marked(&cluster, 0));
    }
}

#[test]
fn a_scrub_a_day_finds_damage_before_anybody_meets_it() {
    let mut cluster = synced(3);
    rot(&mut cluster, "0-00001");
    let db = &cluster.nodes[0];
    let day = 24 * 3_600_000_000;
    let now = |days: u64| Timestamp::from_micros(NOW.as_micros() + days * day);
    assert!(scrub(db, now(0)).unwrap());
    assert!(
        !scrub(db, now(0)).unwrap() && !scrub(db, Timestamp::from_micros(now(1).as_micros() - 1)).unwrap()
    );
    assert!(is_marked(&cluster, 0));
    assert_eq!(once(&cluster, 0, 1).0.rows_repaired, 1);
    assert!(scrub(&cluster.nodes[0], now(1)).unwrap());
    assert!(!is_marked(&cluster, 0));
}

#[test]
fn a_scrub_goes_on_where_the_last_one_ended() {
    let mut cluster = Cluster::new(2);
    let large = vec![1.0; 65_536];
    for number in 0..600 {
        put(&cluster.nodes[0], &format!("v{number:03}"), &large);
    }
    let sql = "DROP TRIGGER row_altered; UPDATE row SET vector = zeroblob(262144) WHERE id = 'v599'";
    alter(&mut cluster, 0, sql);
    let day = 24 * 3_600_000_000;
    for days in 0..3 {
        assert!(!is_marked(&cluster, 0), "{days}");
        assert!(scrub(&cluster.nodes[0], Timestamp::from_micros(NOW.as_micros() + days * day)).unwrap());
    }
    assert!(is_marked(&cluster, 0), "600 vectors of 256 KiB are 150 MiB");
}

#[test]
fn a_prepared_file_is_repaired_by_the_next_sync() {
    let mut cluster = synced(20);
    rot(&mut cluster, "0-00001");
    alter(&mut cluster, 0, "DROP TRIGGER row_removed; DELETE FROM row WHERE id = '1-00002'");
    let prepared = cluster.nodes[0].prepare_repair().unwrap();
    assert_eq!(prepared.len(), 1);
    assert_eq!((prepared[0].damaged, prepared[0].corrected, is_marked(&cluster, 0)), (1, true, true));
    assert!(!cluster.nodes[1].prepare_repair().unwrap()[0].corrected);
    assert_eq!(once(&cluster, 0, 1).0.rows_repaired, 2);
    assert_whole(&cluster);
    assert!(!is_marked(&cluster, 0) && !is_marked(&cluster, 1));
}

// SQLite runs no trigger for a row that INSERT OR REPLACE removes.
#[test]
fn rows_that_another_program_replaces_come_back() {
    let columns = "shard, change_id, versions, site, seq, timestamp, operation, applied_at, id, context, hash, metadata";
    for (place, value) in [("n, ", "n, "), ("", "")] {
        let mut cluster = synced(3);
        let sql = format!(
            "INSERT OR REPLACE INTO row ({place}{columns}, vector) SELECT {value}{columns}, zeroblob(8) FROM row \
             WHERE id = '0-00001'"
        );
        alter(&mut cluster, 0, &sql);
        assert!(is_marked(&cluster, 0));
        assert_eq!(once(&cluster, 0, 1).0.rows_repaired, 1);
        assert_whole(&cluster);
        assert!(!is_marked(&cluster, 0));
    }
    let mut cluster = in_conflict();
    let columns = "row, site, seq, timestamp, operation, hash, metadata";
    let sql = format!(
        "INSERT OR REPLACE INTO sibling ({columns}, vector) SELECT {columns}, zeroblob(4) FROM sibling"
    );
    alter(&mut cluster, 0, &sql);
    assert!(is_marked(&cluster, 0));
    once(&cluster, 0, 1);
    cluster.assert_equal();
    assert_resolvable(&cluster, "same");
}

#[test]
fn rows_lost_on_both_nodes_come_back_to_both() {
    let mut cluster = synced(200);
    alter(&mut cluster, 0, "DELETE FROM row WHERE id IN ('0-00007', '1-00008')");
    alter(&mut cluster, 1, "DELETE FROM row WHERE id IN ('0-00100', '1-00101', '1-00102')");
    let (left, right) = once(&cluster, 0, 1);
    assert_eq!((left.rows_repaired, right.rows_repaired), (2, 3));
    assert_whole(&cluster);
    assert_eq!(cluster.nodes[0].count(&shard()).unwrap(), 400);
}

#[test]
fn one_row_of_ten_thousand_is_found_without_sending_the_others() {
    let mut cluster = synced(5_000);
    alter(&mut cluster, 1, "UPDATE row SET vector = zeroblob(8) WHERE id = '0-03333'");
    let (left, right) = once(&cluster, 0, 1);
    assert_eq!((left.rows_repaired, right.rows_repaired, left.rows_sent), (0, 1, 0));
    assert_whole(&cluster);
}

#[test]
fn what_one_peer_lacks_comes_back_from_another() {
    let mut cluster = Cluster::new(3);
    for name in ["a", "b", "c"] {
        put(&cluster.nodes[0], name, &[1.0]);
    }
    cluster.sync(0, 1);
    let site = cluster.nodes[0].site();
    alter(&mut cluster, 0, "DELETE FROM row WHERE id = 'b'");
    // This peer believes what the damaged node claims.
    once(&cluster, 0, 2);
    assert_eq!((shown(&cluster.nodes[0], "b"), shown(&cluster.nodes[2], "b")), (None, None));
    once(&cluster, 0, 1);
    once(&cluster, 1, 2);
    assert_whole(&cluster);
    assert_eq!(shown(&cluster.nodes[2], "b"), Some(vec![1.0]));
    assert_eq!(cluster.nodes[0].site(), site, "lost rows are no sign of a fork");
}

#[test]
fn a_lost_version_of_a_conflict_comes_back() {
    for sql in
        ["DELETE FROM sibling", "UPDATE sibling SET vector = x'00000000'", "UPDATE sibling SET row = 99"]
    {
        let mut cluster = Cluster::new(2);
        for (node, db) in cluster.nodes.iter().enumerate() {
            db.set_strategy(&shard(), Strategy::Manual).unwrap();
            put(db, "same", &[node as f32]);
        }
        cluster.settle();
        alter(&mut cluster, 0, sql);
        once(&cluster, 0, 1);
        cluster.assert_equal();
        for db in &cluster.nodes {
            assert_eq!(db.pending_conflicts(None).unwrap()[0].row.siblings().len(), 2, "{sql}");
        }
    }
}

#[test]
fn nothing_that_this_program_does_looks_like_the_work_of_another() {
    let cluster = Cluster::new(2);
    for (node, db) in cluster.nodes.iter().enumerate() {
        db.set_strategy(&shard(), Strategy::Manual).unwrap();
        for name in ["a", "b", "c", "d"] {
            put(db, name, &[node as f32]);
        }
    }
    cluster.settle();
    let conflicts = cluster.nodes[0].pending_conflicts(None).unwrap();
    cluster.nodes[0].resolve_conflict(&conflicts[0].conflict, None, LocalWrite::Delete).unwrap();
    let payload = crate::support::payload(&[7.0]);
    cluster.nodes[0].resolve_conflict(&conflicts[1].conflict, None, LocalWrite::Put(payload)).unwrap();
    put(&cluster.nodes[1], "a", &[8.0]);
    put(&cluster.nodes[1], "c", &[8.0]);
    assert!(delete(&cluster.nodes[1], "d"));
    cluster.settle();
    let reports = once(&cluster, 0, 1);
    assert_eq!((reports.0.repairs, is_marked(&cluster, 0), is_marked(&cluster, 1)), (0, false, false));
}

// Two nodes that held a version which neither claimed were never compared, and stayed apart without a word.
#[test]
fn a_difference_is_noticed_although_both_nodes_hold_more_than_they_claim() {
    let mut cluster = synced(3);
    let other = cluster.scratch.open_at("other.db", &cluster.wall);
    put(&other, "unclaimed", &[7.0, 1.0]);
    let delta = other.compute_delta(&shard(), 0, &DeltaScope::default()).unwrap();
    for db in &cluster.nodes {
        assert_eq!(db.apply_delta(&shard(), &delta).unwrap().changed, 1);
    }
    for _ in 0..2 {
        assert_eq!(once(&cluster, 0, 1).0.repairs, 0);
    }
    let lost =
        "DELETE FROM row WHERE id = '1-00001'; DELETE FROM altered; UPDATE shard SET digest = zeroblob(40)";
    alter(&mut cluster, 0, lost);
    assert!(!is_marked(&cluster, 0));
    let (left, right) = once(&cluster, 0, 1);
    assert_eq!((left.repairs, right.repairs), (1, 1));
    assert_eq!(shown(&cluster.nodes[0], "1-00001"), Some(vec![1.0, 1.0]));
    cluster.assert_equal();
}

#[test]
fn a_node_that_writes_on_during_the_repair_loses_nothing() {
    let mut cluster = synced(50);
    alter(&mut cluster, 0, "DELETE FROM row WHERE id LIKE '%7'");
    put(&cluster.nodes[0], "0-00007", &[5.0, 5.0]);
    put(&cluster.nodes[0], "new", &[6.0, 6.0]);
    once(&cluster, 0, 1);
    assert_whole(&cluster);
    let of = |db: &VectrDB, name: &str| shown(db, name);
    for db in &cluster.nodes {
        assert_eq!((of(db, "0-00007"), of(db, "new")), (Some(vec![5.0, 5.0]), Some(vec![6.0, 6.0])));
        assert_eq!(db.count(&shard()).unwrap(), 101);
    }
    let (report, _) = sync(&shard(), (&cluster.nodes[0], 0), (&cluster.nodes[1], 1), NOW);
    assert_eq!(report.repairs, 0);
}
