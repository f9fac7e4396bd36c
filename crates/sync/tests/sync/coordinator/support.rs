//! Coordinators, peers, and addresses where nobody answers.

use std::future::Future;
use std::net::UdpSocket;
use std::time::Duration;

use vectr_delta::{NodeName, ShardId};
use vectr_sync::{NetworkConfig, Peer, PeerStatus, Scheduler, ShardCoordinator};

use crate::support::{Node, at, id, payload};

pub(crate) fn coordinator(node: &Node, max_concurrent: usize) -> ShardCoordinator {
    ShardCoordinator::new(node.engine.clone(), Scheduler::new(max_concurrent).unwrap())
}

pub(crate) fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

pub(crate) fn shard(text: &str) -> ShardId {
    ShardId::new(text).unwrap()
}

pub(crate) fn peer(node: &str, address: &str, shards: &[&str]) -> Peer {
    Peer {
        node: name(node),
        address: address.to_owned(),
        shards: shards.iter().map(|text| shard(text)).collect(),
        last_contact: None,
        status: PeerStatus::Unknown,
    }
}

pub(crate) fn put(node: &Node, shard: &ShardId, vector: &str) {
    node.db.upsert(at(shard), &id(vector), payload(&[1.0, 2.0], "{}")).unwrap();
}

/// Connection attempts and silent peers last this long.
pub(crate) fn patience(connect: Duration, idle: Duration) -> NetworkConfig {
    let mut network = NetworkConfig::default();
    (network.endpoint.connect_timeout, network.endpoint.idle_timeout) = (connect, idle);
    network
}

/// An address that takes packets and never answers, as long as the socket lives.
pub(crate) fn dead_address() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// Waits for a condition that becomes true by itself.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Fails a test that would hang.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), work).await.expect("it ends by itself")
}
