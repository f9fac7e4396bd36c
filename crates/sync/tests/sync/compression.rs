//! `SyncConfig::compression` does what it says.

use crate::support::{Node, quick};
use vectr_sync::{NetworkConfig, SyncResult};

#[tokio::test(flavor = "multi_thread")]
async fn metadata_travels_packed_where_both_nodes_pack() {
    let [packed, plain, of_old_peer] = [(true, true), (false, false), (true, false)].map(sync);
    let (packed, plain, of_old_peer) = tokio::join!(packed, plain, of_old_peer);
    assert!(
        packed.bytes_sent * 2 < plain.bytes_sent,
        "{} bytes packed, {} plain",
        packed.bytes_sent,
        plain.bytes_sent
    );
    assert!(
        packed.bytes_received * 2 < plain.bytes_received,
        "{} bytes packed, {} plain",
        packed.bytes_received,
        plain.bytes_received
    );
    // A node that does not pack does not read packed batches either: the other sends it none.
    assert!(of_old_peer.bytes_sent > packed.bytes_sent * 2);
    assert!(of_old_peer.bytes_received > packed.bytes_received * 2);
}

/// Syncs 1,000 short vectors with alike metadata each way.
async fn sync((caller, called): (bool, bool)) -> SyncResult {
    let [a, b] = [("a", caller), ("b", called)].map(|(name, compression)| {
        let node = Node::with(name, quick().compression(compression).clone(), NetworkConfig::default());
        for n in 0..1_000 {
            let metadata = format!(r#"{{"source":"conversations","language":"en","number":{n}}}"#);
            node.put(&format!("{name}-{n}"), &[n as f32], &metadata);
        }
        node
    });
    let result = a.synced(&b.listen().await).await;
    assert_eq!((result.changes_sent, result.changes_applied), (1_000, 1_000));
    assert_eq!(a.digest(), b.digest());
    assert_eq!(a.get("b-7").unwrap().metadata, b.get("b-7").unwrap().metadata);
    result
}
