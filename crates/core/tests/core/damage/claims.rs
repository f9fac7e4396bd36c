//! What an altered file claims harms nobody: neither the contexts of its rows nor numbers that nobody gave.

use vectr_delta::Strategy;

use super::repair::{alter, assert_whole, is_marked, once, synced};
use crate::support::cluster::Cluster;
use crate::support::{put, shard, shown};

/// Two nodes with a vector that each of them has written without knowing of the other.
fn in_conflict() -> Cluster {
    let cluster = Cluster::new(2);
    for (number, db) in cluster.nodes.iter().enumerate() {
        db.set_strategy(&shard(), Strategy::Manual).unwrap();
        put(db, "x", &[number as f32, 1.0]);
    }
    cluster.settle();
    cluster
}

// The altered row said that it had seen the other version, and the sound node dropped it.
#[test]
fn a_version_that_a_file_has_lost_is_not_lost_on_its_peers() {
    for lost in ["DELETE FROM sibling; UPDATE row SET versions = 1", "UPDATE row SET versions = 1"] {
        let mut cluster = in_conflict();
        alter(&mut cluster, 0, lost);
        once(&cluster, 0, 1);
        for db in &cluster.nodes {
            let pending = db.pending_conflicts(Some(&shard())).unwrap();
            assert_eq!(pending.first().map(|conflict| conflict.row.siblings().len()), Some(2), "{lost}");
        }
        assert_whole(&cluster);
    }
}

// The sound node took itself for a copy, and wrote all of its versions again under a new site.
#[test]
fn numbers_that_nobody_gave_make_no_fork() {
    for vector in ["0-00001", "1-00001"] {
        let mut cluster = synced(3);
        let sites = [0, 1].map(|node: usize| cluster.nodes[node].site());
        alter(&mut cluster, 0, &format!("UPDATE row SET seq = seq + 1000 WHERE id = '{vector}'"));
        once(&cluster, 0, 1);
        assert_whole(&cluster);
        assert_eq!([0, 1].map(|node: usize| cluster.nodes[node].site()), sites, "{vector}");
        assert_eq!(shown(&cluster.nodes[0], vector), Some(vec![1.0, 1.0]));
        assert!(!is_marked(&cluster, 0));
    }
}

// A row that is news to the peer travels by an ordinary page, beside the altered version of the peer's own.
#[test]
fn an_altered_version_beside_news_makes_no_fork() {
    let mut cluster = in_conflict();
    let sites = [0, 1].map(|node: usize| cluster.nodes[node].site());
    put(&cluster.nodes[0], "news", &[5.0, 5.0]);
    alter(
        &mut cluster,
        0,
        "UPDATE sibling SET timestamp = timestamp + 1; UPDATE row SET timestamp = timestamp + 1",
    );
    put(&cluster.nodes[0], "more news", &[6.0, 6.0]);
    once(&cluster, 0, 1);
    assert_whole(&cluster);
    assert_eq!([0, 1].map(|node: usize| cluster.nodes[node].site()), sites);
}

// An empty peer took over what the damaged node claimed, and then seemed to confirm it.
#[test]
fn a_peer_that_has_nothing_settles_no_repair() {
    let mut cluster = synced(3);
    let sites = [0, 1].map(|node: usize| cluster.nodes[node].site());
    let late = Cluster::new(1);
    alter(&mut cluster, 0, "UPDATE row SET timestamp = timestamp + 1 WHERE id = '0-00001'");
    crate::support::sync::sync(&shard(), (&cluster.nodes[0], 0), (&late.nodes[0], 7), super::NOW);
    assert!(is_marked(&cluster, 0));
    once(&cluster, 0, 1);
    assert_whole(&cluster);
    assert_eq!([0, 1].map(|node: usize| cluster.nodes[node].site()), sites);
    assert!(!is_marked(&cluster, 0));
}
