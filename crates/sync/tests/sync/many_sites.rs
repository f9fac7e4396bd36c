//! Shards that a great many sites have changed: each restart of a container without state is one.

use vectr_core::VectrDB;
use vectr_core::replication::serve_blocking;
use vectr_delta::{
    ChangelogId, Descriptor, Digest, End, Fingerprint, Hello, NodeName, RemoteApply, ShardVersion, SiteId,
    StoreReply, StoreRequest, Strategy, VersionVector,
};

use vectr_sync::NetworkConfig;

use crate::support::{Node, quick, shard};

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_of_a_hundred_thousand_sites_syncs() {
    // From some thousand sites on its End exceeded a frame: every sync failed as if the peer were unreachable.
    let (a, b) = (Node::new("a"), Node::new("b"));
    a.put("x", &[1.0], "{}");
    claim(&a.db, 0..100_000);
    let to_a = a.listen().await;
    assert_eq!(b.synced(&to_a).await.changes_applied, 1);
    assert_eq!((sites(&b), b.digest()), (sites(&a), a.digest()));
    b.put("y", &[2.0], "{}");
    a.put("z", &[3.0], "{}");
    let result = b.synced(&to_a).await;
    assert_eq!((result.changes_applied, result.changes_sent), (1, 1));
    assert_eq!((sites(&b), b.digest()), (100_002, a.digest()));
    // Both Hellos span frames now.
    let to_b = b.listen().await;
    let result = a.synced(&to_b).await;
    assert_eq!((result.changes_applied, result.changes_sent, result.warnings), (0, 0, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_nodes_remember_is_not_told_again() {
    let (a, mut b) = (Node::new("a"), Node::new("b"));
    a.put("x", &[1.0], "{}");
    // So many that a Hello spans frames.
    claim(&a.db, 0..40_000);
    let to_a = a.listen().await;
    for _ in 0..3 {
        for _ in 0..2 {
            b.synced(&to_a).await;
        }
        for round in 0..3 {
            let written = round == 1;
            if written {
                b.put("y", &[2.0], "{}");
            }
            let result = b.synced(&to_a).await;
            let bytes = result.bytes_sent + result.bytes_received;
            assert!(bytes < 4_096, "{bytes} bytes for a sync of one change");
            assert_eq!((result.changes_sent, result.warnings), (u64::from(written), vec![]));
        }
        assert_eq!((sites(&b), b.digest()), (sites(&a), a.digest()));
        // In the next process it remembers nothing, and the peer still does.
        b = Node::in_folder("b", b.stop().await, quick(), NetworkConfig::default(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_message_can_carry_is_not_taken_over() {
    let a = Node::new("a");
    a.put("x", &[1.0], "{}");
    claim(&a.db, 0..200_000);
    let reply = end(&a.db, 200_000..300_000);
    assert!(matches!(&reply, StoreReply::Failed { code, .. } if code == "ERR_LIMIT"), "{reply:?}");
    assert_eq!(sites(&a), 200_001);
}

fn sites(node: &Node) -> usize {
    node.db.shard_statistics(&shard()).unwrap().version_vector.len()
}

/// Lets a peer claim that it holds all changes of these sites, all of them overwritten since.
fn claim(db: &VectrDB, sites: std::ops::Range<u64>) {
    let reply = end(db, sites);
    assert!(matches!(reply, StoreReply::Ended { .. }), "{reply:?}");
}

fn end(db: &VectrDB, sites: std::ops::Range<u64>) -> StoreReply {
    let hello = Hello {
        nonce: 1,
        protocol: (1, 1),
        codecs: vec![0],
        shard: shard(),
        live: false,
        node: NodeName::new("long-gone").unwrap(),
        site: SiteId::new(77),
        changelog: ChangelogId::new(9),
        descriptor: Descriptor::default(),
        strategy: Strategy::LastWriteWins,
        version_vector: ShardVersion::new(),
        frontier: VersionVector::new(),
        cursor: None,
        digest: Digest::default(),
        tight: true,
        clock: db.now(),
        window: 16,
    };
    let of = |number: u64| SiteId::new(number << 32 | 7 << 60);
    let name = |number: u64| NodeName::new(&format!("worker-{number:0>40}")).unwrap();
    let end = End {
        nonce: 1,
        index: 0,
        position: 0,
        version_vector: sites.clone().map(|number| (of(number), 1)).collect(),
        frontier: VersionVector::new(),
        digest: Digest::default(),
        tight: true,
        names: sites.map(|number| (of(number), name(number))).collect(),
    };
    let remote = Box::new(RemoteApply::new(Fingerprint::new([3; 32]), &hello, 0));
    serve_blocking(db, &shard(), StoreRequest::End { remote, batches: vec![], end: Box::new(end) })
}
