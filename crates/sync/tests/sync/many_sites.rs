//! Shards that a great many sites have changed: each restart of a container without state is one.

use vectr_core::replication::serve_blocking;
use vectr_core::{Inspection, OversizedKind, VectrDB};
use vectr_delta::{
    ChangelogId, Descriptor, Digest, End, Fingerprint, Hello, NodeName, RemoteApply, ShardVersion, SiteId,
    StoreReply, StoreRequest, Strategy, VersionVector,
};

use vectr_sync::NetworkConfig;

use crate::support::{Node, alter, quick, shard};

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
    let StoreReply::Ended { ended, .. } = reply else { panic!("{reply:?}") };
    assert_eq!((ended.further_sites, sites(&a)), (100_000, 200_001));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_claims_of_a_peer_keep_a_node_from_writing_under_a_new_site() {
    let a = Node::new("a");
    claim(&a.db, 0..200_000);
    let reply = end(&a.db, 0..262_144);
    let StoreReply::Ended { ended, .. } = reply else { panic!("{reply:?}") };
    assert_eq!((ended.further_sites, sites(&a)), (62_144, 200_000));
    a.put("x", &[1.0], "{}");
    assert_eq!(sites(&a), 200_001);
}

// Each sync failed from then on, and rows of no site came through any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_has_no_room_for_further_sites_takes_in_their_rows() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    for (node, name, claimed) in [(&a, "x", 0..200_000), (&b, "y", 200_000..300_000)] {
        node.put(name, &[1.0], "{}");
        claim(&node.db, claimed);
    }
    let to_b = b.listen().await;
    for applied in [1, 0] {
        let result = a.synced(&to_b).await;
        let is_told =
            result.warnings.iter().any(|line| line.starts_with("ERR_LIMIT") && line.contains("new shard"));
        assert!(is_told, "{:?}", result.warnings);
        assert_eq!((result.changes_applied, a.get("y").is_some()), (applied, true));
    }
    assert!(b.get("x").is_some());
    assert_eq!((sites(&a), sites(&b)), (200_001, 100_001));
}

// A file that a former build let grow above what a message carries could never sync again.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_above_the_limits_opens_says_so_and_syncs() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    for name in ["large", "x"] {
        a.put(name, &[1.0], "{}");
    }
    let before = b.synced(&a.listen().await).await;
    assert_eq!(before.changes_applied, 2);
    let own = a.db.site();
    let folder = a.stop().await;
    // As if that build had written it: under a change id of its own.
    alter(
        &folder,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 262200) \
           INSERT INTO version_entry (part, owner, site, seq) SELECT 1, 1, unhex(printf('%016x', i)), 1 FROM n; \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 32800) \
           INSERT INTO site (site) SELECT printf('%016x', i) FROM n; \
         UPDATE counter SET change_id = change_id + 1; \
         UPDATE row SET change_id = (SELECT change_id FROM counter), context = ( \
           SELECT json_group_object(site.n, CASE WHEN site.n = row.site THEN row.seq ELSE 1 END) FROM site \
         ) WHERE id = 'large';",
    );
    let path = folder.path().join("agent.db");
    let found = Inspection::open(&path).unwrap().verify().unwrap();
    assert_eq!(found.faults, []);
    let of = |kind| found.oversized.iter().find(|oversized| oversized.kind == kind).unwrap();
    let (shard_sites, row) = (of(OversizedKind::ShardSites), of(OversizedKind::VectorSites));
    assert_eq!((shard_sites.size, shard_sites.limit), (262_201, 262_144));
    assert_eq!((row.vector.as_deref(), row.size, row.limit), (Some("large"), 32_801, 32_768));
    let lines: Vec<String> = found.oversized.iter().map(ToString::to_string).collect();
    assert!(lines[0].contains("262201 sites") && lines[0].contains("new shard"), "{lines:?}");

    let a = Node::in_folder("a", folder, quick(), NetworkConfig::default(), None);
    assert!(a.get("large").is_some());
    // The numbers of no life of its own are forgotten, and what is claimed fits a message.
    let claimed = a.db.shard_statistics(&shard()).unwrap().version_vector;
    assert!(claimed.len() <= 245_760, "{}", claimed.len());
    assert!(claimed.iter().any(|(site, _)| site.contains(&own.to_string())));
    a.put("y", &[2.0], "{}");
    b.put("z", &[3.0], "{}");
    let to_a = a.listen().await;
    let result = b.synced(&to_a).await;
    assert_eq!((b.get("y").is_some(), a.get("z").is_some()), (true, true), "{:?}", result.warnings);
    // Both go on afterwards, in either direction.
    a.put("y", &[4.0], "{}");
    b.synced(&to_a).await;
    assert_eq!(b.get("y").unwrap().vector, a.get("y").unwrap().vector);

    // The first write has brought the file below the limit, too.
    let folder = a.stop().await;
    let found = Inspection::open(&path).unwrap().verify().unwrap();
    assert_eq!(found.faults, []);
    assert!(found.oversized.iter().all(|oversized| oversized.kind == OversizedKind::VectorSites));
    drop(folder);
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
