use std::time::Duration;

use vectr_sync::{CancellationSource, CancellationToken};

use super::support::{coordinator, dead_address, name, patience, peer, put, shard, until, within};
use crate::support::{Node, quick};

/// One engine behind 30 addresses, and 20 where nobody answers, in turns.
struct Fleet {
    live: Node,
    addresses: Vec<String>,
    _dead: Vec<std::net::UdpSocket>,
}

impl Fleet {
    async fn new() -> Self {
        let live = Node::new("live");
        put(&live, &shard("s"), "v");
        let (mut addresses, mut dead) = (Vec::new(), Vec::new());
        for number in 0..50 {
            if Self::is_dead(number) {
                let (socket, address) = dead_address();
                dead.push(socket);
                addresses.push(address);
            } else {
                addresses.push(live.listen().await);
            }
        }
        Self { live, addresses, _dead: dead }
    }

    const fn is_dead(number: usize) -> bool {
        number % 5 < 2
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_peers_are_all_synced_while_the_dead_ones_are_still_being_called() {
    let fleet = Fleet::new().await;
    let a = Node::with("a", quick(), patience(Duration::from_secs(3_600), Duration::from_secs(30)));
    let coordinator = coordinator(&a, 5);
    for (number, address) in fleet.addresses.iter().enumerate() {
        coordinator.scheduler().register_peer(peer(&format!("n{number:02}"), address, &["s", "t"]));
    }
    let cancel = CancellationSource::new();
    let (run, abort) = (coordinator.clone(), cancel.token());
    let run = tokio::spawn(async move { run.sync_all(abort).await });
    until(|| coordinator.scheduler().statistics().syncs == 60).await;
    assert!(!run.is_finished());
    assert_eq!(coordinator.scheduler().active_syncs(), 0, "who is called holds no permit");
    cancel.cancel();
    assert_eq!(within(run).await.unwrap().unwrap_err().code(), "ERR_ABORTED");
    assert_eq!(a.db.digest(&shard("s")).unwrap(), fleet.live.db.digest(&shard("s")).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_peers_fail_after_one_connection_attempt_and_results_keep_their_order() {
    let fleet = Fleet::new().await;
    let a = Node::with("a", quick(), patience(Duration::from_secs(2), Duration::from_secs(30)));
    let coordinator = coordinator(&a, 5);
    for (number, address) in fleet.addresses.iter().enumerate() {
        coordinator.scheduler().register_peer(peer(&format!("n{number:02}"), address, &["s", "t"]));
    }
    let results = within(coordinator.sync_all(CancellationToken::default())).await.unwrap();
    assert_eq!(results.len(), 100);
    for (place, result) in results.iter().enumerate() {
        let number = place / 2;
        assert_eq!(result.address, fleet.addresses[number]);
        assert_eq!(result.shard.as_str(), ["s", "t"][place % 2]);
        assert_eq!(result.attempts, 1);
        let code = result.failure.as_ref().map(|failure| failure.code.as_str());
        assert_eq!(code, Fleet::is_dead(number).then_some("ERR_PEER_UNREACHABLE"), "{result:?}");
    }
    let peers = coordinator.scheduler().peers();
    let silent: Vec<_> = peers.iter().filter(|peer| peer.last_contact.is_none()).collect();
    assert_eq!(silent.len(), 20);
    assert_eq!(silent[0].node, name("n00"));
}
