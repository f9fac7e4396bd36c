use std::collections::BTreeSet;

use super::support::{coordinator, dead_address, peer, put, shard, until};
use crate::support::Node;

#[tokio::test(flavor = "multi_thread")]
async fn commits_reach_all_neighbours_without_a_call_until_it_is_stopped() {
    let (a, b, c) = (Node::new("a"), Node::new("b"), Node::new("c"));
    let (to_b, to_c) = (b.listen().await, c.listen().await);
    let coordinator = coordinator(&a, 1);
    coordinator.scheduler().register_peer(peer("b", &to_b, &["s", "t"]));
    coordinator.start_auto_sync_all(None).unwrap();
    coordinator.scheduler().register_peer(peer("c", &to_c, &["s"]));
    coordinator.start_auto_sync_all(None).unwrap();
    assert_eq!(a.engine.auto_syncs().len(), 3);
    put(&a, &shard("s"), "from a");
    put(&c, &shard("s"), "from c");
    until(|| [&a, &b, &c].iter().all(|node| node.db.count(&shard("s")).unwrap() == 2)).await;
    assert_eq!(coordinator.scheduler().active_syncs(), 0, "live streams are no sessions of a call");
    coordinator.stop_auto_sync_all();
    assert!(a.engine.auto_syncs().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_coordinator_started_is_stopped_by_it() {
    let a = Node::new("a");
    let (_one, own) = dead_address();
    let (_other, shared) = dead_address();
    let coordinator = coordinator(&a, 1);
    a.engine.start_auto_sync(&shard("s"), &own, None).unwrap();
    a.engine.start_auto_sync(&shard("s"), &shared, None).unwrap();
    coordinator.scheduler().register_peer(peer("b", &shared, &["s", "t"]));
    coordinator.start_auto_sync_all(None).unwrap();
    assert_eq!(a.engine.auto_syncs().len(), 3);
    coordinator.close().await;
    let left: BTreeSet<_> = a.engine.auto_syncs().into_iter().collect();
    assert_eq!(left, BTreeSet::from([(shard("s"), own), (shard("s"), shared)]));
    assert_eq!(coordinator.start_auto_sync_all(None).unwrap_err().code(), "ERR_CLOSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_malformed_address_keeps_no_other_from_being_started() {
    let a = Node::new("a");
    let (_socket, dead) = dead_address();
    let coordinator = coordinator(&a, 1);
    coordinator.scheduler().register_peer(peer("b", "no:such:address:at:all", &["s"]));
    coordinator.scheduler().register_peer(peer("c", &dead, &["s"]));
    let error = coordinator.start_auto_sync_all(None).unwrap_err();
    assert_eq!(error.code(), "ERR_ARGUMENT");
    assert!(error.to_string().contains("no:such"), "{error}");
    assert_eq!(a.engine.auto_syncs(), [(shard("s"), dead)]);
}
