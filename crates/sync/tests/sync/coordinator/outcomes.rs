use std::time::Duration;

use vectr_delta::Strategy;
use vectr_sync::{CancellationToken, NetworkConfig, PeerStatus, SyncResult, Topology};

use super::support::{coordinator, dead_address, name, patience, peer, put, shard};
use crate::support::{Node, quick, strategy};

#[tokio::test(flavor = "multi_thread")]
async fn statistics_are_the_sums_of_all_results() {
    let a = Node::with(
        "a",
        strategy(Strategy::Manual),
        patience(Duration::from_millis(200), Duration::from_secs(30)),
    );
    let b = Node::new("b");
    let (_socket, dead) = dead_address();
    for vector in ["v", "w"] {
        put(&a, &shard("s"), vector);
        put(&b, &shard("s"), vector);
    }
    let coordinator = coordinator(&a, 3);
    coordinator.scheduler().register_peer(peer("b", &b.listen().await, &["s", "t"]));
    coordinator.scheduler().register_peer(peer("c", &dead, &["s"]));
    let mut results: Vec<SyncResult> = Vec::new();
    for _ in 0..2 {
        results.extend(coordinator.sync_all(CancellationToken::default()).await.unwrap());
    }
    results.extend(coordinator.sync_shard(&shard("t"), CancellationToken::default()).await.unwrap());
    assert_eq!(results.len(), 7);
    let statistics = coordinator.scheduler().statistics();
    let sum = |of: fn(&SyncResult) -> u64| results.iter().map(of).sum::<u64>();
    assert_eq!(statistics.syncs, 7);
    assert_eq!(statistics.conflicts, 2);
    assert_eq!(statistics.conflicts, sum(|result| result.conflicts_detected));
    assert!(statistics.bytes_sent > 0 && statistics.bytes_received > 0);
    assert_eq!(statistics.bytes_sent, sum(|result| result.bytes_sent));
    assert_eq!(statistics.bytes_received, sum(|result| result.bytes_received));
    assert_eq!(
        statistics.average_duration,
        results.iter().map(|result| result.duration).sum::<Duration>() / 7
    );
    assert_eq!((statistics.shards, statistics.active_syncs), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_add_up_and_the_last_one_decides() {
    let mut config = quick();
    config.max_retries(2).retry_backoff(Duration::from_millis(1));
    let a = Node::with("a", config, patience(Duration::from_millis(100), Duration::from_secs(30)));
    let coordinator = coordinator(&a, 2);
    let (_socket, dead) = dead_address();
    coordinator.scheduler().schedule(shard("s"), &dead, 0);
    coordinator.scheduler().schedule(shard("s"), "no:such:address:at:all", 0);
    let results = coordinator.execute_tasks(CancellationToken::default()).await.unwrap();
    let ended: Vec<_> = results
        .iter()
        .map(|result| (result.attempts, result.failure.as_ref().unwrap().code.as_str()))
        .collect();
    assert_eq!(ended, [(3, "ERR_PEER_UNREACHABLE"), (1, "ERR_ARGUMENT")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_of_a_shard_contacts_only_peers_that_hold_it() {
    let (a, b, c) = (Node::new("a"), Node::new("b"), Node::new("c"));
    let (to_b, to_c) = (b.listen().await, c.listen().await);
    let coordinator = coordinator(&a, 5);
    coordinator.scheduler().register_peer(peer("b", &to_b, &["s", "t"]));
    coordinator.scheduler().register_peer(peer("c", &to_c, &["t", "t"]));
    // This node, in its own list: not to be called.
    coordinator.scheduler().register_peer(peer("a", "127.0.0.1:9", &["s", "t"]));
    coordinator.scheduler().schedule(shard("scheduled"), &to_b, 0);
    let listed = |results: Vec<SyncResult>| {
        results.into_iter().map(|result| (result.shard.to_string(), result.address)).collect::<Vec<_>>()
    };
    let of = |shard: &str, address: &String| (shard.to_owned(), address.clone());
    let results = coordinator.sync_shard(&shard("s"), CancellationToken::default()).await.unwrap();
    assert_eq!(listed(results), [of("s", &to_b)]);
    let results = coordinator.sync_shard(&shard("t"), CancellationToken::default()).await.unwrap();
    assert_eq!(listed(results), [of("t", &to_b), of("t", &to_c)]);
    let results = coordinator.sync_all(CancellationToken::default()).await.unwrap();
    assert_eq!(listed(results), [of("s", &to_b), of("t", &to_b), of("t", &to_c)]);
    coordinator.scheduler().set_topology(Topology::Star);
    assert_eq!(coordinator.scheduler().neighbours(&name("b")).len(), 1);
    assert_eq!(coordinator.scheduler().pending_tasks(), 1, "scheduled tasks stay scheduled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_with_a_peer_needs_one_that_is_known() {
    let (a, b) = (Node::with("a", quick(), NetworkConfig::default()), Node::new("b"));
    put(&b, &shard("s"), "v");
    let address = b.listen().await;
    let coordinator = coordinator(&a, 5);
    let error = coordinator.sync_with_peer(&address, CancellationToken::default()).await.unwrap_err();
    assert_eq!(error.code(), "ERR_UNKNOWN_PEER");
    assert!(error.to_string().contains(&address), "{error}");
    coordinator.scheduler().register_peer(peer("b", &address, &["s", "t"]));
    let results = coordinator.sync_with_peer(&address, CancellationToken::default()).await.unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(a.db.count(&shard("s")).unwrap(), 1);
    let known = &coordinator.scheduler().peers()[0];
    assert_eq!(known.status, PeerStatus::Online);
    assert!(known.last_contact.is_some());
    coordinator.scheduler().unregister_peer(&name("b"));
    let error = coordinator.sync_with_peer(&address, CancellationToken::default()).await.unwrap_err();
    assert_eq!(error.code(), "ERR_UNKNOWN_PEER");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_do_is_no_error() {
    let a = Node::new("a");
    let coordinator = coordinator(&a, 5);
    assert!(coordinator.execute_tasks(CancellationToken::default()).await.unwrap().is_empty());
    assert!(coordinator.sync_all(CancellationToken::default()).await.unwrap().is_empty());
    assert!(coordinator.sync_shard(&shard("s"), CancellationToken::default()).await.unwrap().is_empty());
    assert!(coordinator.health_check(CancellationToken::default()).await.unwrap().is_empty());
    assert_eq!(coordinator.scheduler().statistics().average_duration, Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn shard_states_are_those_of_the_database() {
    let a = Node::new("a");
    put(&a, &shard("s"), "v");
    put(&a, &shard("t"), "v");
    put(&a, &shard("t"), "w");
    let states = coordinator(&a, 5).shard_states().unwrap();
    let vectors: Vec<_> = states.iter().map(|state| (state.shard.as_str(), state.vectors)).collect();
    assert_eq!(vectors, [("s", 1), ("t", 2)]);
}
