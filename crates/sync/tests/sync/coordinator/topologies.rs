use vectr_sync::{CancellationToken, ShardCoordinator, Topology};

use super::support::{coordinator, peer, put, shard};
use crate::support::Node;

const SHARDS: [&str; 2] = ["s", "t"];

/// Eight nodes that each know all others, each with vectors of its own.
async fn eight(topology: Topology) -> Vec<(Node, ShardCoordinator)> {
    let mut nodes = Vec::new();
    let mut peers = Vec::new();
    for number in 0..8 {
        let name = format!("node-{number}");
        let node = Node::new(&name);
        for vector in 0..5 {
            for text in SHARDS {
                put(&node, &shard(text), &format!("{name}-{vector}"));
                put(&node, &shard(text), "shared");
            }
        }
        peers.push(peer(&name, &node.listen().await, &SHARDS));
        let coordinator = coordinator(&node, 5);
        nodes.push((node, coordinator));
    }
    for (_, coordinator) in &nodes {
        coordinator.scheduler().set_topology(topology);
        peers.iter().for_each(|peer| coordinator.scheduler().register_peer(peer.clone()));
    }
    nodes
}

fn have_converged(nodes: &[(Node, ShardCoordinator)]) -> bool {
    SHARDS.iter().all(|text| {
        let digests: Vec<_> =
            nodes.iter().map(|(node, _)| node.db.digest(&shard(text)).unwrap().to_string()).collect();
        digests.iter().all(|digest| *digest == digests[0])
    })
}

/// In a round every node syncs once with its neighbours, all at the same time.
async fn converges(topology: Topology, most_rounds: usize) {
    let nodes = eight(topology).await;
    let mut rounds = 0;
    while !have_converged(&nodes) {
        rounds += 1;
        assert!(rounds <= most_rounds, "{topology:?} takes no more than {most_rounds} rounds");
        let syncs = nodes.iter().map(|(_, coordinator)| {
            let coordinator = coordinator.clone();
            tokio::spawn(async move { coordinator.sync_all(CancellationToken::default()).await.unwrap() })
        });
        for sync in syncs.collect::<Vec<_>>() {
            let failures: Vec<_> =
                sync.await.unwrap().into_iter().filter_map(|result| result.failure).collect();
            assert_eq!(failures, []);
        }
    }
    for (node, _) in &nodes {
        assert_eq!(node.db.count(&shard("s")).unwrap(), 41);
    }
    println!("{topology:?}: 8 nodes hold the same after {rounds} rounds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_converges() {
    converges(Topology::Mesh, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_star_converges() {
    converges(Topology::Star, 2).await;
}

/// News travels at least one place a round, both ways.
#[tokio::test(flavor = "multi_thread")]
async fn a_ring_converges() {
    converges(Topology::Ring, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_converges() {
    converges(Topology::Tree, 6).await;
}
