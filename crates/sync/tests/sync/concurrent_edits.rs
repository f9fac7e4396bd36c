//! For each strategy all nodes show the same bits, whoever synced first, with equal stamps too.

use crate::support::{Node, at, hand_clock, id, shard, strategy};
use vectr_delta::Strategy;
use vectr_sync::NetworkConfig;

const NOW: u64 = 1_700_000_000_000_000;

/// Three nodes whose clocks show the same microsecond edit the same vectors while apart.
async fn edited_apart(of: Strategy) -> [Node; 3] {
    let nodes = ["a", "b", "c"].map(|name| {
        let (_, clock) = hand_clock(NOW);
        let folder = tempfile::tempdir().unwrap();
        Node::in_folder(name, folder, strategy(of), NetworkConfig::default(), Some(clock))
    });
    for (i, node) in nodes.iter().enumerate() {
        let i = i as f32;
        node.put("edited by all", &[i, 0.1 * i, -i], &format!(r#"{{"by":{i},"only-{i}":true}}"#));
        node.put(&format!("own-{i}"), &[i, i, i], "{}");
    }
    nodes
}

async fn meet(nodes: &[Node; 3], order: [(usize, usize); 4]) {
    let mut addresses = Vec::new();
    for node in nodes {
        addresses.push(node.listen().await);
    }
    for (from, to) in order {
        nodes[from].synced(&addresses[to]).await;
    }
}

fn assert_same(nodes: &[Node]) {
    let shown = |node: &Node| {
        let entry = node.get("edited by all")?;
        Some((
            entry.vector,
            entry.metadata.map(|text| text.as_str().to_owned()),
            entry.timestamp,
            entry.conflicted,
        ))
    };
    for node in &nodes[1..] {
        assert_eq!(shown(node), shown(&nodes[0]));
        assert_eq!(node.digest(), nodes[0].digest());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_show_the_same_in_any_order_of_meeting() {
    for of in Strategy::ALL {
        for order in [[(0, 1), (1, 2), (0, 1), (0, 2)], [(2, 0), (1, 2), (0, 2), (1, 0)]] {
            let nodes = edited_apart(of).await;
            meet(&nodes, order).await;
            assert_same(&nodes);
            let conflicted = nodes[0].get("edited by all").unwrap().conflicted;
            assert_eq!(conflicted, of == Strategy::Manual);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_counted_and_kept_under_manual() {
    let [a, b, _c] = edited_apart(Strategy::Manual).await;
    let result = a.synced(&b.listen().await).await;
    assert_eq!((result.conflicts_detected, result.conflicts_resolved), (1, 0));
    assert_eq!(result.conflicts_unresolved.len(), 1);
    let here = &a.db.conflicts(Some(&shard())).unwrap()[0];
    let there = &b.db.conflicts(Some(&shard())).unwrap()[0];
    assert_eq!(here.conflict, there.conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_saw_both_versions_ends_the_conflict() {
    let [a, b, _c] = edited_apart(Strategy::LastWriteWins).await;
    let address = b.listen().await;
    let first = a.synced(&address).await;
    assert_eq!((first.conflicts_detected, first.conflicts_resolved), (1, 1));
    b.put("edited by all", &[9.0, 9.0, 9.0], "{}");
    a.synced(&address).await;
    assert!(a.db.conflicts(Some(&shard())).unwrap().is_empty());
    assert_same(&[a, b]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_against_an_edit_ends_alike_on_both() {
    for of in Strategy::ALL {
        let [a, b, _c] = edited_apart(of).await;
        let address = b.listen().await;
        a.synced(&address).await;
        a.db.delete(at(&shard()), &id("own-0")).unwrap();
        b.put("own-0", &[5.0, 5.0, 5.0], "{}");
        a.synced(&address).await;
        assert_eq!(
            a.get("own-0").map(|entry| entry.vector),
            b.get("own-0").map(|entry| entry.vector),
            "{of}"
        );
        assert_eq!(a.digest(), b.digest());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_strategy_at_the_peer_is_warned_about() {
    let a = Node::with("a", strategy(Strategy::Merge), NetworkConfig::default());
    let b = Node::with("b", strategy(Strategy::Manual), NetworkConfig::default());
    let result = a.synced(&b.listen().await).await;
    assert!(
        result.warnings.iter().any(|text| text.contains("manual") && text.contains("merge")),
        "{result:?}"
    );
}
