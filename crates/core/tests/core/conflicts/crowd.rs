//! More concurrent versions than a row may have.

use std::collections::BTreeSet;

use vectr_delta::{Row, Strategy};

use super::pending;
use crate::support::cluster::Cluster;
use crate::support::{Wall, put, shard, shown};

#[test]
fn however_many_nodes_write_a_vector_offline_all_agree_and_the_latest_versions_stay() {
    let cluster = Cluster::new(Row::MAX_SIBLINGS + 3);
    for (number, db) in cluster.nodes.iter().enumerate() {
        db.set_strategy(&shard(), Strategy::Manual).unwrap();
        cluster.wall.set(Wall::START + number as u64);
        put(db, "same", &[number as f32]);
        put(db, &format!("own-{number}"), &[1.0]);
    }
    // Two halves meet among themselves first, so that no node sees all versions in one order.
    let (first, last) = (0, cluster.nodes.len() - 1);
    for _ in 0..2 {
        for node in 1..last {
            cluster.sync(if node % 2 == 0 { first } else { last }, node);
        }
        cluster.sync(first, last);
    }
    for node in 1..last {
        cluster.sync(if node % 2 == 0 { last } else { first }, node);
    }
    cluster.assert_equal();
    let latest: BTreeSet<u32> = (3..cluster.nodes.len() as u32).collect();
    for db in &cluster.nodes {
        let conflict = pending(db);
        let kept =
            conflict.row.siblings().iter().filter_map(|sibling| sibling.payload()?.components().next());
        assert_eq!(kept.map(|number| number as u32).collect::<BTreeSet<_>>(), latest);
        assert_eq!(shown(db, "same"), Some(vec![last as f32]));
    }
}
