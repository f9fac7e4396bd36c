//! Answers that nobody reads.

use std::collections::BTreeMap;
use std::time::Duration;

use super::peer::{Peer, Talk, hello, totals};
use crate::support::{Node, id, quick, shard};
use vectr_delta::{
    Batch, Dot, HeldMessage, Hello, Message, Row, Sibling, SiteId, Timestamp, VectorId, VectorRow,
    VersionVector,
};
use vectr_sync::NetworkConfig;
use vectr_transport::{Grant, Rights, TlsConfig};

const LIMIT: u64 = 2 << 20;
/// Of a page, and of the largest row behind it.
const PAGE: u64 = 400 * 1024;

/// More rows than a stream takes while its reader does not read.
fn fill(node: &Node) {
    let vector = vec![0.5; 16_384];
    let transaction = node.db.begin().unwrap();
    for n in 0..200 {
        let target = vectr_core::Target { shard: &shard(), transaction: Some(transaction) };
        node.db.upsert(target, &id(&format!("v{n}")), crate::support::payload(&vector, "{}")).unwrap();
    }
    node.db.commit(transaction).unwrap();
}

// Ten peers that announced a window of 256 batches and read nothing held 689 MB of a node.
#[tokio::test(flavor = "multi_thread")]
async fn peers_that_read_nothing_hold_little_of_a_node_and_stop_nobody() {
    let server = Node::with("server", quick().max_unsent_bytes(LIMIT).clone(), NetworkConfig::default());
    fill(&server);
    let to_server = server.listen().await;
    let peers: Vec<Peer> = (0..6).map(|_| Peer::new()).collect();
    let mut stalled: Vec<Talk> = Vec::new();
    for (peer, site) in peers.iter().zip(100..) {
        stalled.push(peer.meet(&to_server, Hello { window: u16::MAX, live: true, ..hello(site) }).await.0);
    }
    let honest = Node::new("honest");
    assert_eq!(honest.synced(&to_server).await.changes_applied, 200);
    let held = server.engine.unsent_bytes();
    assert!(held > 0, "nobody waits: the test shows nothing");
    assert!(held <= LIMIT + PAGE * 7, "{held} bytes");
    // One that reads on gets all of it as well, as before.
    let mut rows = 0;
    while rows < 200 {
        rows += stalled[0].hear_of(|message| Some(message.rows().len())).await.unwrap();
    }
    drop(stalled);
    drop(peers);
    while server.engine.unsent_bytes() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

// A peer that said something now and then, and read nothing, held what was sent to it for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_speaks_and_reads_nothing_is_left() {
    let mut network = NetworkConfig::default();
    network.endpoint.idle_timeout = Duration::from_secs(1);
    let server = Node::with("server", quick(), network);
    fill(&server);
    let peer = Peer::new();
    // So many batches that the stream does not take them all.
    let greeting = Hello { window: u16::MAX, live: true, ..hello(77) };
    let (mut talk, _) = peer.meet(&server.listen().await, greeting).await;
    let left = async {
        while totals(&server).failed == 0 {
            // It has not heard that the session is over.
            let _ = talk.say(&Message::Ack(0)).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), left).await.unwrap();
}

// A peer could have one large row read and encoded as often as it asked for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_read_a_few_times_in_a_session() {
    let server = Node::new("server");
    server.put("v", &[1.0], "{}");
    let peer = Peer::new();
    let (mut talk, _) = peer.meet(&server.listen().await, hello(77)).await;
    for _ in 0..4 {
        talk.say(&Message::HeldRows(Box::new(HeldMessage::Ask(vec![id("v")])))).await.unwrap();
        let answered = talk.hear_of(|message| match message {
            Message::HeldRows(held) => Some(matches!(*held, HeldMessage::Answer(_))),
            Message::Reject(reject) => panic!("{reject:?}"),
            _ => None,
        });
        assert_eq!(answered.await, Some(true));
    }
    talk.say(&Message::HeldRows(Box::new(HeldMessage::Ask(vec![id("v")])))).await.unwrap();
    assert_eq!(talk.refusal().await.as_deref(), Some("ERR_LIMIT"));
}

// The acknowledgements of a peer that sent batches and read none of them filled the memory of a node.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_sends_on_and_reads_nothing_is_stopped() {
    let mut rights = Rights::none();
    rights.grant("*", Grant { read: ["*".to_owned()].into(), write: [].into() }).unwrap();
    let network = NetworkConfig::default().tls(TlsConfig::default().rights(rights).clone()).clone();
    let server = Node::with("server", quick(), network);
    let peer = Peer::new();
    let (mut talk, theirs) = peer.meet(&server.listen().await, Hello { live: true, ..hello(77) }).await;
    let rows: Vec<VectorRow> = (0..8).map(tombstone).collect();
    let mut index = 0;
    let stopped = loop {
        let batch = Batch {
            nonce: theirs.nonce,
            index,
            names: BTreeMap::new(),
            rows: rows.clone(),
            ..Batch::default()
        };
        if talk.say(&Message::Batch(batch)).await.is_err() {
            break true;
        }
        index += 1;
        if index == 20_000 {
            break false;
        }
        // As slowly as the node applies them: one that sends faster is refused in any case.
        while index % 8 == 0 && totals(&server).rows_received < index * 8 && totals(&server).failed == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(stopped, "{index} batches were taken from a peer that reads nothing");
    assert!(server.engine.unsent_bytes() <= LIMIT);
}

fn tombstone(n: u64) -> VectorRow {
    let version = Sibling::tombstone(Dot { site: SiteId::new(77), seq: 1 + n }, Timestamp::from_micros(5));
    let id = VectorId::new(&format!("{n:04}{}", "x".repeat(1000))).unwrap();
    VectorRow { id, row: Row::new(vec![version], VersionVector::new()).unwrap() }
}
