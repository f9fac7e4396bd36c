//! What an engine keeps from one process to the next.

use crate::support::{Node, quick, shard, strategy};
use vectr_delta::{LocalWrite, Strategy};
use vectr_sync::NetworkConfig;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_continues_in_the_next_process() {
    let a = Node::with("a", strategy(Strategy::Manual), NetworkConfig::default());
    let b = Node::with("b", strategy(Strategy::Manual), NetworkConfig::default());
    let address = b.listen().await;
    a.put("v", &[1.0], "{}");
    b.put("v", &[2.0], "{}");
    assert_eq!(a.synced(&address).await.conflicts_unresolved.len(), 1);
    let before = a.engine.status().unwrap();
    let folder = a.stop().await;
    let a = Node::in_folder("a", folder, quick(), NetworkConfig::default(), None);
    let after = a.engine.status().unwrap();
    assert_eq!((&after.id, after.created_at), (&before.id, before.created_at));
    assert_eq!(after.shards[0].version_vector, before.shards[0].version_vector);
    assert_eq!(after.shards[0].change_id, before.shards[0].change_id);
    assert_eq!(after.pending_conflicts[0].conflict, before.pending_conflicts[0].conflict);
    // The cursor is kept too: nothing is looked at twice.
    assert_eq!(a.synced(&address).await.changes_received, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_kept_leaves_no_cursor_and_loses_nothing() {
    let unkept = || quick().persist_session(false).clone();
    let a = Node::with("a", unkept(), NetworkConfig::default());
    let b = Node::new("b");
    let address = b.listen().await;
    b.put("v", &[1.0], "{}");
    a.synced(&address).await;
    let before = a.engine.status().unwrap();
    let folder = a.stop().await;
    let a = Node::in_folder("a", folder, unkept(), NetworkConfig::default(), None);
    assert_ne!(a.engine.status().unwrap().id, before.id);
    let peer = b.engine.fingerprint();
    let offer = vectr_delta::HelloOffer {
        nonce: 1,
        codecs: vec![0],
        live: false,
        node: a.engine.node().clone(),
        clock: a.db.now(),
        window: 4,
    };
    let request = vectr_delta::StoreRequest::ReadHello { peer, offer };
    let reply = vectr_core::replication::serve_blocking(&a.db, &shard(), request);
    let vectr_delta::StoreReply::Hello { hello, .. } = reply else { panic!("{reply:?}") };
    assert_eq!(hello.cursor, None);
    b.put("w", &[2.0], "{}");
    let result = a.synced(&address).await;
    assert_eq!((result.changes_applied, a.digest()), (1, b.digest()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_settled_on_one_of_three_nodes_is_gone_on_all() {
    let nodes =
        ["a", "b", "c"].map(|name| Node::with(name, strategy(Strategy::Manual), NetworkConfig::default()));
    let address = nodes[0].listen().await;
    for (n, node) in nodes.iter().enumerate() {
        node.put("v", &[n as f32], r#"{"by":"someone"}"#);
    }
    for _ in 0..2 {
        for node in &nodes[1..] {
            node.synced(&address).await;
        }
    }
    let shown: Vec<_> = nodes.iter().map(|node| node.engine.pending_conflicts(None).unwrap()).collect();
    for conflicts in &shown {
        assert_eq!((conflicts.len(), conflicts[0].row.siblings().len()), (1, 3));
        assert_eq!(conflicts[0].conflict, shown[0][0].conflict);
    }
    // A fourth version comes between the list and the choice: it stands, under another id.
    nodes[0].put("w", &[9.0], "{}");
    let late = Node::with("late", strategy(Strategy::Manual), NetworkConfig::default());
    late.put("v", &[7.0], "{}");
    late.synced(&address).await;
    nodes[1].synced(&address).await;
    let choice = LocalWrite::Put(crate::support::payload(&[42.0], r#"{"by":"a person"}"#));
    let left =
        nodes[1].engine.resolve_conflict(&shown[1][0].conflict, None, choice.clone()).unwrap().unwrap();
    assert_eq!(left.row.siblings().len(), 2);
    let all = || [&nodes[1], &nodes[2], &late];
    for node in all().into_iter().chain(all()) {
        node.synced(&address).await;
    }
    for node in nodes.iter().chain([&late]) {
        let pending = node.engine.pending_conflicts(Some(&shard())).unwrap();
        assert_eq!((pending.len(), pending[0].conflict), (1, left.conflict));
    }
    assert_eq!(nodes[2].engine.resolve_conflict(&left.conflict, None, choice).unwrap().map(|_| ()), None);
    for node in [&nodes[2], &nodes[1], &late, &nodes[2]] {
        let result = node.synced(&address).await;
        assert!(result.conflicts_unresolved.is_empty());
    }
    for node in nodes.iter().chain([&late]) {
        assert_eq!(
            (node.engine.pending_conflicts(None).unwrap().len(), node.digest()),
            (0, nodes[0].digest())
        );
        assert_eq!(node.get("v").unwrap().vector, nodes[2].get("v").unwrap().vector);
    }
}
