//! What an engine tells of repairs.

use crate::support::{Node, alter, quick, shard};
use vectr_sync::{Events, NetworkConfig, SyncEvent, SyncResult};

/// What the event says of a repair: how many vectors came back, how many are damaged, whether the nodes differ.
async fn repair(events: &mut Events, from: &str) -> (u64, u64, bool) {
    loop {
        if let Some(SyncEvent::Repair { shard: of, address, repaired, damaged, differs }) =
            events.next().await
        {
            assert_eq!((of, address.contains(from)), (shard(), true), "{address}");
            return (repaired, damaged, differs);
        }
    }
}

/// A node whose file another program has altered since it was in step with a peer, and the peer.
async fn altered(sql: &str) -> (Node, Node) {
    let (node, peer) = (Node::new("node"), Node::new("peer"));
    for name in ["one", "two"] {
        peer.put(name, &[1.0], "{}");
    }
    node.put("own", &[2.0], "{}");
    node.synced(&peer.listen().await).await;
    let folder = node.stop().await;
    alter(&folder, sql);
    (Node::in_folder("node", folder, quick(), NetworkConfig::default(), None), peer)
}

#[tokio::test(flavor = "multi_thread")]
async fn both_nodes_tell_what_came_back_to_them() {
    let (node, peer) = altered("DELETE FROM row WHERE id = 'one'; UPDATE row SET vector = zeroblob(4)").await;
    let (mut here, mut there) = (node.engine.events(), peer.engine.events());
    let address = peer.listen().await;
    assert_eq!(node.synced(&address).await.vectors_repaired, 3);
    assert_eq!(repair(&mut here, &address).await, (3, 0, false));
    assert_eq!(repair(&mut there, "127.0.0.1").await, (0, 0, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_peer_has_is_told_as_damaged() {
    let (node, _) = altered("UPDATE row SET vector = zeroblob(4)").await;
    let stranger = Node::new("stranger");
    let mut events = node.engine.events();
    let address = stranger.listen().await;
    node.synced(&address).await;
    assert_eq!(repair(&mut events, &address).await, (0, 3, false));
}

// Each sync read all rows again, for a vector that the peer did not have either.
#[tokio::test(flavor = "multi_thread")]
async fn damage_that_a_peer_cannot_repair_is_told_at_each_sync_and_looked_for_once() {
    let (node, _) = altered("UPDATE row SET vector = zeroblob(4) WHERE id = 'own'").await;
    let stranger = Node::new("stranger");
    let events = node.engine.events();
    let address = stranger.listen().await;
    let is_told =
        |result: &SyncResult| result.warnings.iter().any(|line| line.contains("1 are still damaged"));
    for count in 0..3 {
        let result = node.synced(&address).await;
        assert!(is_told(&result), "{:?}", result.warnings);
        let repairs =
            std::iter::from_fn(|| events.poll()).filter(|event| matches!(event, SyncEvent::Repair { .. }));
        assert_eq!(repairs.count(), usize::from(count == 0));
    }
    // What was written anew is noticed after the next sync.
    node.put("own", &[3.0], "{}");
    while is_told(&node.synced(&address).await) {}
    assert!(!is_told(&node.synced(&address).await));
}
