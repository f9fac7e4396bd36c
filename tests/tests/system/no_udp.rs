//! A network in which UDP is dropped: a namespace of its own, with a filter of the kernel, and real packets. Linux, with
//! `unshare`, `ip` and `nft`; where the namespace cannot be made the test fails.

#![cfg(target_os = "linux")]

use std::process::{Command, Output};
use std::time::Duration;

use vectr_core::{Target, VectrDB};
use vectr_delta::{NodeName, Payload, ShardId};
use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncOptions};
use vectr_transport::EndpointConfig;

use crate::alone::{in_a_process, turn};

#[test]
fn where_udp_is_dropped_a_sync_succeeds_over_tcp_and_says_so() {
    let _turn = turn();
    in_a_namespace("no_udp::inside_everything_passes");
    in_a_namespace("no_udp::inside_udp_is_dropped");
}

/// Runs one of the tests below in a network that has nothing but a loopback device.
fn in_a_namespace(test: &str) {
    // Without root, this maps the user to root inside the namespace where the system allows it.
    in_a_process(&["unshare", "--map-root-user", "--net", "--"], test);
}

#[test]
#[ignore = "run in a namespace by the test above"]
fn inside_everything_passes() {
    run("ip", &["link", "set", "lo", "up"]);
    assert!(!sync_two_nodes());
}

#[test]
#[ignore = "run in a namespace by the test above"]
fn inside_udp_is_dropped() {
    run("ip", &["link", "set", "lo", "up"]);
    run("nft", &[RULES]);
    assert!(sync_two_nodes());
    let listed = run("nft", &["list", "table", "inet", "vectr"]);
    let text = String::from_utf8(listed.stdout).unwrap();
    assert!(!text.contains("counter packets 0 "), "UDP was tried, and nothing came of it: {text}");
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| {
        panic!("{program} cannot be run: {error}: install util-linux, iproute2 and nftables")
    });
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {said}{failed}");
    output
}

const RULES: &str =
    "table inet vectr { chain input { type filter hook input priority 0; meta l4proto udp counter drop; }; }";

/// Whether the sync of two nodes went over the fallback.
#[tokio::main]
async fn sync_two_nodes() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let shard = ShardId::new("notes").unwrap();
    let node = |name: &str| {
        let db = VectrDB::open(folder.path().join(format!("{name}.db"))).unwrap();
        // A quarter of it is what UDP has before TCP is tried.
        let mut endpoint = EndpointConfig::default();
        endpoint.connect_timeout(Duration::from_secs(20));
        let mut network = NetworkConfig::default();
        network.endpoint(endpoint);
        let node = NodeName::new(name).unwrap();
        (db.clone(), SyncEngine::new(db, node, SyncConfig::default(), network).unwrap())
    };
    let ((near, near_engine), (far, far_engine)) = (node("near"), node("far"));
    for (db, count) in [(&near, 300), (&far, 200)] {
        let items = (0..count)
            .map(|number| (None, Payload::from_components(&[number as f32, 1.0, -0.5], None).unwrap()));
        db.insert_batch(Target::shard(&shard), items.collect()).unwrap();
    }
    let address = far_engine.listen("127.0.0.1:0").await.unwrap().to_string();
    let result = near_engine.sync(&shard, &address, SyncOptions::default()).await.unwrap();
    assert!(result.failure.is_none(), "{:?}", result.failure);
    assert_eq!((result.changes_sent, result.changes_applied), (300, 200));
    assert_eq!(near.digest(&shard).unwrap(), far.digest(&shard).unwrap());
    let pool = near_engine.statistics();
    assert_eq!(pool.fallback > 0, result.fallback);
    near_engine.close().await;
    far_engine.close().await;
    result.fallback
}
