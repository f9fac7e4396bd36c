//! Databases that sync with each other.

use std::collections::BTreeSet;

use crate::support::cluster::{Cluster, NOW};
use crate::support::sync::{session, sync};
use crate::support::{Scratch, Wall, delete, described, id, payload, put, shard, shown, store};
use vectr_core::replication::record_sync;
use vectr_core::{Entry, Target, VectrDB};
use vectr_delta::{Dimensions, Ending, NodeName, Strategy, Warning};

fn entries(db: &VectrDB, names: &[&str]) -> Vec<Option<Entry>> {
    names.iter().map(|name| db.get(Target::shard(&shard()), &id(name)).unwrap()).collect()
}

#[test]
fn two_databases_come_to_hold_the_same() {
    let cluster = Cluster::new(2);
    let [a, b] = &cluster.nodes[..] else { unreachable!() };
    for i in 0..2_000 {
        put(a, &format!("a{i}"), &[i as f32, 1.0]);
        put(b, &format!("b{i}"), &[i as f32, 2.0]);
    }
    let (left, right) = sync(&shard(), (a, 0), (b, 1), NOW);
    assert_eq!((left.rows_sent, left.rows_applied), (2_000, 2_000));
    assert_eq!((right.rows_sent, right.rows_applied, right.conflicts), (2_000, 2_000, 0));
    cluster.assert_equal();
    assert_eq!((a.count(&shard()).unwrap(), shown(b, "a7")), (4_000, Some(vec![7.0, 1.0])));
}

#[test]
fn a_second_sync_sends_nothing_and_commits_nothing() {
    let cluster = Cluster::new(2);
    let [a, b] = &cluster.nodes[..] else { unreachable!() };
    put(a, "a", &[1.0]);
    put(b, "b", &[2.0]);
    cluster.sync(0, 1);
    cluster.sync(0, 1);
    let before = (a.commit_no(), b.commit_no());
    let (left, right) = sync(&shard(), (a, 0), (b, 1), NOW);
    assert_eq!((left.rows_sent, right.rows_sent), (0, 0));
    assert_eq!((a.commit_no(), b.commit_no()), before);
    record_sync(a, &shard(), NOW).unwrap();
    assert_eq!((a.commit_no(), a.shard_statistics(&shard()).unwrap().last_sync_at), (before.0, NOW));
}

#[test]
fn concurrent_writes_show_alike_on_every_node_under_every_strategy() {
    for count in [2, 3] {
        for strategy in Strategy::ALL {
            let cluster = Cluster::new(count);
            for (number, db) in cluster.nodes.iter().enumerate() {
                db.set_strategy(&shard(), strategy).unwrap();
                // All at the same stamp: no tie may be decided by where it is read.
                let metadata = format!(r#"{{"from":{number},"only{number}":true}}"#);
                let written = described(&[number as f32, 0.1], &metadata);
                db.upsert(Target::shard(&shard()), &id("same"), written).unwrap();
                put(db, "gone", &[number as f32, 9.0]);
            }
            delete(&cluster.nodes[0], "gone");
            cluster.settle();
            let views: Vec<_> = cluster.nodes.iter().map(|db| entries(db, &["same", "gone"])).collect();
            assert!(views.windows(2).all(|pair| pair[0] == pair[1]), "{strategy}: {views:?}");
            assert_eq!(views[0][0].as_ref().unwrap().conflicted, strategy == Strategy::Manual);
            for db in &cluster.nodes {
                let conflicts = db.conflicts(Some(&shard())).unwrap();
                assert_eq!(conflicts.len(), 2);
                assert_eq!(conflicts[0].row.siblings().len(), count);
                assert_eq!(conflicts[0].names.len(), count);
            }
            let ids = |db: &VectrDB| -> BTreeSet<String> {
                db.conflicts(None).unwrap().iter().map(|conflict| conflict.conflict.to_string()).collect()
            };
            assert_eq!(ids(&cluster.nodes[0]), ids(&cluster.nodes[1]));
        }
    }
}

#[test]
fn the_view_for_sql_shows_what_get_shows_except_for_means() {
    for strategy in [Strategy::LastWriteWins, Strategy::FirstWriteWins, Strategy::Manual] {
        let cluster = Cluster::new(3);
        for (number, db) in cluster.nodes.iter().enumerate() {
            db.set_strategy(&shard(), strategy).unwrap();
            put(db, "same", &[number as f32]);
            put(db, "half", &[number as f32]);
            put(db, "own", &[0.5]);
        }
        delete(&cluster.nodes[1], "half");
        cluster.settle();
        let db = &cluster.nodes[0];
        for name in ["same", "half", "own"] {
            let found = db
                .query(
                    "SELECT vector, timestamp FROM vectors WHERE id = ?1",
                    vec![vectr_core::Value::Text(name.into())],
                )
                .unwrap();
            let entry = entries(db, &[name]).remove(0);
            let expected = entry.map(|entry| {
                vec![
                    vectr_core::Value::Blob(entry.vector.to_vec()),
                    vectr_core::Value::Integer(entry.timestamp.as_micros() as i64),
                ]
            });
            assert_eq!(found.rows, Vec::from_iter(expected), "{strategy} {name}");
        }
        let shown = db.query("SELECT count(*) FROM vectors", vec![]).unwrap().rows;
        assert_eq!(shown, [[vectr_core::Value::Integer(db.count(&shard()).unwrap() as i64)]]);
    }
}

#[test]
fn a_later_write_ends_a_conflict_everywhere() {
    let cluster = Cluster::new(3);
    for (number, db) in cluster.nodes.iter().enumerate() {
        put(db, "same", &[number as f32]);
    }
    cluster.settle();
    put(&cluster.nodes[2], "same", &[42.0]);
    cluster.settle();
    for db in &cluster.nodes {
        assert_eq!((shown(db, "same"), db.conflicts(None).unwrap().len()), (Some(vec![42.0]), 0));
    }
}

#[test]
fn a_delete_reaches_everyone_and_is_not_undone() {
    let cluster = Cluster::new(3);
    put(&cluster.nodes[0], "a", &[1.0]);
    cluster.settle();
    assert!(delete(&cluster.nodes[2], "a"));
    cluster.sync(2, 1);
    cluster.sync(1, 0);
    for db in &cluster.nodes {
        assert_eq!((shown(db, "a"), db.count(&shard()).unwrap()), (None, 0));
    }
    cluster.settle();
}

#[test]
fn rows_travel_on_through_a_third_node() {
    let cluster = Cluster::new(3);
    for i in 0..300 {
        put(&cluster.nodes[0], &format!("v{i}"), &[i as f32]);
    }
    cluster.sync(0, 1);
    cluster.sync(1, 2);
    cluster.assert_equal();
    let status = cluster.nodes[2].shard_statistics(&shard()).unwrap();
    assert_eq!(status.vectors, 300);
    assert_eq!(status.version_vector, [(format!("node-0@{}", cluster.nodes[0].site()), 300)]);
}

#[test]
fn other_dimensions_end_the_session_and_change_nothing() {
    let cluster = Cluster::new(2);
    let [a, b] = &cluster.nodes[..] else { unreachable!() };
    put(a, "a", &[1.0]);
    put(b, "b", &[1.0, 2.0]);
    let before = (a.digest(&shard()).unwrap(), b.commit_no());
    let (left, _) = session(&shard(), (a, 0), (b, 1), NOW);
    assert!(matches!(&left.ending, Ending::Failed { code, retry: false, .. } if code == "ERR_DIMENSIONS"));
    assert_eq!((a.digest(&shard()).unwrap(), b.commit_no()), before);
}

#[test]
fn an_empty_database_adopts_the_dimensions() {
    let cluster = Cluster::new(2);
    put(&cluster.nodes[0], "a", &[1.0, 2.0]);
    cluster.sync(0, 1);
    let refused = cluster.nodes[1].upsert(Target::shard(&shard()), &id("b"), payload(&[1.0])).unwrap_err();
    assert_eq!(refused.code(), "ERR_DIMENSIONS");
    assert!(Dimensions::try_from(2).is_ok());
}

#[test]
fn a_clock_an_hour_ahead_blocks_nobody_and_is_healed_once_it_is_right() {
    let scratch = Scratch::new();
    let (fast, right) = (Wall::new(), Wall::new());
    let hour = 3_600_000_000;
    fast.set(Wall::START + hour);
    let (a, b) = (scratch.open_at("a.db", &fast), scratch.open_at("b.db", &right));
    put(&b, "b", &[1.0]);
    put(&b, "mine", &[1.0]);
    put(&a, "early", &[7.0]);
    let site = a.site();
    let (_, report) = sync(&shard(), (&a, 0), (&b, 1), NOW);
    assert!(
        report.warnings.iter().any(|w| matches!(w, Warning::Held(held) if held.code == "ERR_CLOCK_SKEW"))
    );
    assert_eq!((shown(&b, "early"), shown(&a, "b")), (None, Some(vec![1.0])));
    fast.set(Wall::START);
    put(&a, "late", &[8.0]);
    // Alone, the node cannot know that its clock is not behind.
    assert_eq!(a.site(), site);
    sync(&shard(), (&a, 0), (&b, 1), NOW);
    assert_ne!(a.site(), site);
    assert_eq!((shown(&b, "early"), shown(&b, "late")), (Some(vec![7.0]), Some(vec![8.0])));
    assert_eq!(a.digest(&shard()).unwrap(), b.digest(&shard()).unwrap());
    let stamp = b.get(Target::shard(&shard()), &id("early")).unwrap().unwrap().timestamp;
    assert!(stamp.as_micros() < Wall::START + hour);
}

#[test]
fn a_hello_alone_heals_a_clock_that_was_ahead() {
    let scratch = Scratch::new();
    let wall = Wall::new();
    wall.set(Wall::START + 3_600_000_000);
    let a = scratch.open_at("a.db", &wall);
    put(&a, "early", &[7.0]);
    let site = a.site();
    wall.set(Wall::START);
    let b = scratch.open_at("b.db", &wall);
    sync(&shard(), (&a, 0), (&b, 1), NOW);
    assert_ne!(a.site(), site);
    assert_eq!(shown(&b, "early"), Some(vec![7.0]));
    assert_eq!(a.digest(&shard()).unwrap(), b.digest(&shard()).unwrap());
}

#[test]
fn the_changelog_view_speaks_of_nodes_and_sites() {
    let cluster = Cluster::new(2);
    let [a, b] = &cluster.nodes[..] else { unreachable!() };
    put(a, "a", &[1.0]);
    cluster.sync(0, 1);
    put(b, "a", &[2.0]);
    delete(b, "a");
    cluster.sync(0, 1);
    cluster.wall.set(Wall::START + 5);
    put(a, "b", &[3.0]);
    let found = a
        .query(
            "SELECT operation, source_node, version_vector FROM vector_changelog ORDER BY change_id",
            vec![],
        )
        .unwrap();
    let text = |text: &str| vectr_core::Value::Text(text.into());
    let (first, second) = (format!("node-0@{}", a.site()), format!("node-1@{}", b.site()));
    let rows = &found.rows;
    assert_eq!(rows[0][..2], [text("delete"), text("node-1")]);
    let vectr_core::Value::Text(vector) = &rows[0][2] else { panic!("{rows:?}") };
    assert!(vector.contains(&format!("\"{first}\":1")) && vector.contains(&format!("\"{second}\":2")));
    assert_eq!(rows[1], [text("insert"), text("node-0"), text(&format!("{{\"{first}\":2}}"))]);
    let metadata = a.query("SELECT shard_id, version_vector FROM shard_metadata", vec![]).unwrap().rows;
    assert_eq!(metadata[0][0], text("notes"));
    let vectr_core::Value::Text(vector) = &metadata[0][1] else { panic!("{metadata:?}") };
    assert!(vector.contains(&format!("\"{first}\":2")) && vector.contains(&format!("\"{second}\":2")));
}

#[test]
fn an_unknown_shard_is_greeted_as_empty_and_not_made() {
    let cluster = Cluster::new(1);
    let db = &cluster.nodes[0];
    let offer = vectr_delta::HelloOffer {
        nonce: 1,
        codecs: vec![0],
        live: false,
        node: NodeName::new("x").unwrap(),
        clock: NOW,
        window: 4,
    };
    let (hello, _) = store::read_hello(db, crate::support::peer(1), offer);
    assert!(hello.version_vector.is_empty() && hello.node.as_str() == "node-0");
    assert!(db.shards().unwrap().is_empty());
    let page = store::read_page(db, vectr_delta::PageSize::default());
    assert!(page.rows.is_empty() && page.end.is_some());
}
