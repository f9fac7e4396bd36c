//! Shards that peers make.

use std::time::Duration;

use super::peer::Peer;
use crate::support::{Node, quick, shard, strategy};
use vectr_delta::{Frame, ShardId, Strategy};
use vectr_sync::{NetworkConfig, SyncOptions, SyncResult};
use vectr_transport::{Grant, Rights, TlsConfig};

fn readers() -> NetworkConfig {
    let mut rights = Rights::none();
    rights.grant("*", Grant { read: ["*".to_owned()].into(), write: [].into() }).unwrap();
    NetworkConfig::default().tls(TlsConfig::default().rights(rights).clone()).clone()
}

async fn sync(node: &Node, name: &str, address: &str) -> SyncResult {
    let shard = ShardId::new(name).unwrap();
    node.engine.sync(&shard, address, SyncOptions::default()).await.unwrap()
}

// With a strategy configured, a peer that may only read made a shard of each name that it synced.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_makes_no_shard_where_a_strategy_is_configured() {
    let server = Node::with("server", strategy(Strategy::Manual), readers());
    server.put("theirs", &[1.0], "{}");
    let to_server = server.listen().await;
    let reader = Node::new("reader");
    for name in ["made-1", "made-2", "shard-1"] {
        assert_eq!(sync(&reader, name, &to_server).await.failure, None);
    }
    assert_eq!(server.db.shards().unwrap(), [shard()]);
    assert_eq!(server.db.strategy(&shard()).unwrap(), Strategy::Manual, "it is set where there is a shard");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_a_writer_makes_has_the_configured_strategy_from_its_first_session_on() {
    let server = Node::with("server", strategy(Strategy::Merge), NetworkConfig::default());
    let writer = Node::with("writer", strategy(Strategy::Merge), NetworkConfig::default());
    writer.put("mine", &[1.0], "{}");
    let result = writer.synced(&server.listen().await).await;
    assert_eq!(result.warnings, Vec::<String>::new());
    assert_eq!(server.db.strategy(&shard()).unwrap(), Strategy::Merge);
}

// A peer with rights to every shard filled a file with as many as it had names for.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_makes_as_many_shards_as_are_allowed() {
    let config = quick().max_shards_per_peer(2).clone();
    let server = Node::with("server", config, NetworkConfig::default());
    let to_server = server.listen().await;
    let (writer, other) = (Node::new("writer"), Node::new("other"));
    for name in ["one", "two", "one"] {
        assert_eq!(sync(&writer, name, &to_server).await.failure, None);
    }
    let failure = sync(&writer, "three", &to_server).await.failure.unwrap();
    assert_eq!(failure.code, "ERR_LIMIT");
    assert!(failure.message.contains("'three'"), "{}", failure.message);
    assert_eq!(sync(&other, "four", &to_server).await.failure, None);
    let names: Vec<String> = server.db.shards().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["four", "one", "two"]);
}

// A first message of 65 MiB was assembled before anybody looked which shard it is about.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_begins_with_something_else_than_a_hello_ends_at_its_first_frame() {
    let mut network = NetworkConfig::default();
    network.endpoint.idle_timeout = Duration::from_secs(3_600);
    let server = Node::with("server", quick(), network);
    let peer = Peer::new();
    let mut talk = peer.open(&server.listen().await).await;
    // The beginning of a batch.
    talk.write(Frame::piece(2, vec![0; Frame::HEAD + 100], true)).await;
    let heard = tokio::time::timeout(Duration::from_secs(60), talk.hear()).await;
    assert!(matches!(heard, Ok(None)), "{heard:?}");
}
