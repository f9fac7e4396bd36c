use std::collections::BTreeMap;
use std::time::Duration;

use vectr_sync::{CancellationSource, CancellationToken, NetworkConfig, PeerStatus};
use vectr_transport::TlsConfig;

use super::support::{coordinator, dead_address, name, patience, peer, within};
use crate::support::{Node, quick};

#[tokio::test(flavor = "multi_thread")]
async fn live_peers_answer_and_dead_and_untrusted_ones_do_not() {
    let a = Node::with("a", quick(), patience(Duration::from_millis(500), Duration::from_secs(30)));
    let live = Node::new("live");
    let mut nobody = TlsConfig::default();
    nobody.pins(vec![]);
    let strict = Node::with("strict", quick(), NetworkConfig::default().tls(nobody).clone());
    let (_socket, dead) = dead_address();
    let coordinator = coordinator(&a, 1);
    coordinator.scheduler().register_peer(peer("live", &live.listen().await, &[]));
    coordinator.scheduler().register_peer(peer("strict", &strict.listen().await, &["s"]));
    coordinator.scheduler().register_peer(peer("dead", &dead, &["s"]));
    coordinator.scheduler().register_peer(peer("mistyped", "no:such:address:at:all", &["s"]));
    let health = within(coordinator.health_check(CancellationToken::default())).await.unwrap();
    let expected = [("dead", false), ("live", true), ("mistyped", false), ("strict", false)];
    assert_eq!(
        health,
        expected.map(|(node, answers)| (name(node), answers)).into_iter().collect::<BTreeMap<_, _>>()
    );
    for peer in coordinator.scheduler().peers() {
        let answers = health[&peer.node];
        assert_eq!(peer.last_contact.is_some(), answers, "{peer:?}");
        assert_eq!(peer.status, if answers { PeerStatus::Online } else { PeerStatus::Offline }, "{peer:?}");
    }
    assert_eq!(coordinator.scheduler().statistics().syncs, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_dead_peers_than_dial_permits_hide_no_live_one() {
    let a = Node::with("a", quick(), patience(Duration::from_millis(300), Duration::from_secs(30)));
    let live = Node::new("live");
    let (_socket, dead) = dead_address();
    let coordinator = coordinator(&a, 5);
    for number in 0..150 {
        coordinator.scheduler().register_peer(peer(&format!("dead-{number}"), &dead, &[]));
    }
    coordinator.scheduler().register_peer(peer("live", &live.listen().await, &[]));
    let health = within(coordinator.health_check(CancellationToken::default())).await.unwrap();
    assert_eq!(health.len(), 151);
    assert_eq!(
        health.into_iter().filter(|(_, answers)| *answers).map(|(node, _)| node).collect::<Vec<_>>(),
        [name("live")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_check_leaves_no_call_behind() {
    let a = Node::with("a", quick(), patience(Duration::from_secs(3_600), Duration::from_secs(30)));
    let (_socket, dead) = dead_address();
    let coordinator = coordinator(&a, 5);
    coordinator.scheduler().register_peer(peer("dead", &dead, &[]));
    let cancel = CancellationSource::new();
    let checked = coordinator.health_check(cancel.token());
    let (ended, ()) = tokio::join!(checked, async { cancel.cancel() });
    assert_eq!(ended.unwrap_err().code(), "ERR_ABORTED");
    within(coordinator.close()).await;
}
