//! What peers send faster than a node applies it, larger than it wants it, or never to the end.

use std::time::Duration;

use super::peer::{Peer, Talk, end, hello, totals};
use crate::support::{Node, config, id, payload, quick};
use vectr_core::TransactionId;
use vectr_delta::{
    Batch, Dot, Hello, Message, Row, ShardVersion, Sibling, SiteId, Timestamp, VectorRow, VersionVector,
};
use vectr_sync::{NetworkConfig, SyncConfig};

const LIMIT: u64 = 1 << 20;
const PEERS: u64 = 6;
/// About what a batch of these tests takes.
const BATCH: u64 = 256 * 1024;

/// A row of `site` with so many versions of 64 KiB.
fn row(site: u64, seq: u64, versions: u64) -> VectorRow {
    let version = |n: u64| {
        let dot = Dot { site: SiteId::new(site), seq: seq * 100 + n };
        let stamp = Timestamp::from_micros(1_700_000_000_000_000 + n);
        Sibling::put(dot, stamp, false, payload(&vec![0.5; 16_384], "{}"))
    };
    let row = Row::new((0..versions).map(version).collect(), VersionVector::new()).unwrap();
    VectorRow { id: id(&format!("{site}-{seq}")), row }
}

/// A node whose storage can be stopped for longer than writes of others wait by default.
fn patient(sync: SyncConfig, network: NetworkConfig) -> Node {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.busy_timeout(Duration::from_secs(60));
    Node::of("server", folder, config, sync, network)
}

/// A session of a peer, and the nonce of the node's greeting.
type Met = (Talk, u64);

/// Has peers meet a node, each under a site of its own from `first` on.
async fn meet(address: &str, first: u64, peers: &[Peer]) -> Vec<Met> {
    let mut met = Vec::new();
    for (site, peer) in (first..).zip(peers) {
        let (talk, theirs) = peer.meet(address, Hello { live: true, ..hello(site) }).await;
        met.push((talk, theirs.nonce));
    }
    met
}

async fn send((talk, nonce): &mut Met, batches: Vec<Vec<VectorRow>>) {
    for (index, rows) in (0..).zip(batches) {
        let batch = Batch { nonce: *nonce, index, rows, ..Batch::default() };
        talk.say(&Message::Batch(batch)).await.unwrap();
    }
}

/// Ends what [`send`] began, and waits until the node has it.
async fn finish((talk, nonce): &mut Met, site: u64, batches: u64, last: u64) {
    let claimed = ShardVersion::from_iter([(SiteId::new(site), last)]);
    let end = vectr_delta::End { version_vector: claimed, ..end(*nonce, batches) };
    talk.say(&Message::End(Box::new(end))).await.unwrap();
    let durable = talk.hear_of(|message| match message {
        Message::Durable(_) => Some(()),
        Message::Reject(reject) => panic!("{reject:?}"),
        _ => None,
    });
    durable.await.unwrap();
}

/// Keeps the node from applying anything.
fn stop_writes(node: &Node) -> TransactionId {
    node.db.begin().unwrap()
}

async fn settled(mut look: impl FnMut() -> u64) -> u64 {
    let mut before = look();
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = look();
        if now == before && now > 0 {
            return now;
        }
        before = now;
    }
}

// Each session held 8 MiB of its own: a hundred of them 800 MiB.
#[tokio::test(flavor = "multi_thread")]
async fn what_peers_send_at_once_waits_within_a_limit_of_the_node() {
    let server = patient(quick().max_unapplied_bytes(LIMIT).clone(), NetworkConfig::default());
    server.put("mine", &vec![1.0; 16_384], "{}");
    let to_server = server.listen().await;
    let peers: Vec<Peer> = (0..PEERS).map(|_| Peer::new()).collect();
    let mut met = meet(&to_server, 100, &peers).await;
    let transaction = stop_writes(&server);
    for (site, met) in (100..).zip(&mut met) {
        let batches = (1..=12).map(|seq| (0..4).map(|n| row(site, seq * 4 + n, 1)).collect()).collect();
        send(met, batches).await;
    }
    let unapplied = settled(|| server.engine.unapplied_bytes()).await;
    assert!(unapplied > LIMIT, "{unapplied} bytes: nobody waits, the test shows nothing");
    // The batch that each session's storage is to join, and the one that it took before the node was full.
    assert!(unapplied <= LIMIT + PEERS * 2 * BATCH, "{unapplied} bytes");
    server.db.commit(transaction).unwrap();
    for (site, met) in (100..).zip(&mut met) {
        finish(met, site, 12, 51 * 100).await;
    }
    for site in 100..100 + PEERS {
        assert!((4..52).all(|seq| server.get(&format!("{site}-{seq}")).is_some()), "site {site}");
    }
    assert_eq!(server.engine.unapplied_bytes(), 0);
}

// A frame may unpack to 64 MiB: each session of a node unpacked one at the same time, on a thread that all others need.
#[tokio::test(flavor = "multi_thread")]
async fn large_rows_of_many_peers_wait_for_each_other_and_stop_nobody() {
    let server = patient(quick(), NetworkConfig::default());
    server.put("mine", &vec![1.0; 16_384], "{}");
    let to_server = server.listen().await;
    let peers: Vec<Peer> = (0..PEERS).map(|_| Peer::new()).collect();
    let mut met = meet(&to_server, 100, &peers).await;
    let transaction = stop_writes(&server);
    for (site, met) in (100..).zip(&mut met) {
        send(met, vec![vec![row(site, 1, 40)]]).await;
    }
    let large = row(100, 1, 40).weight() as u64;
    let unapplied = settled(|| server.engine.unapplied_bytes()).await;
    assert!(unapplied <= large + BATCH, "{unapplied} bytes, of which one row has {large}");
    server.db.commit(transaction).unwrap();
    // The others of them wait, and whoever sends small rows does not.
    let honest = Node::new("honest");
    honest.put("small", &vec![1.0; 16_384], "{}");
    honest.synced(&to_server).await;
    for (site, met) in (100..).zip(&mut met) {
        finish(met, site, 1, 139).await;
    }
    assert!((100..100 + PEERS).all(|site| server.get(&format!("{site}-1")).is_some()));
    honest.synced(&to_server).await;
    assert_eq!(honest.digest(), server.digest());
}

// A peer that left as soon as it had sent a batch, and came back with the next one, counted for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_that_is_gone_has_sent_counts_until_it_is_applied() {
    let server = patient(quick(), NetworkConfig::default());
    server.put("mine", &vec![1.0; 16_384], "{}");
    let to_server = server.listen().await;
    let peers = [Peer::new()];
    let mut met = meet(&to_server, 100, &peers).await;
    let transaction = stop_writes(&server);
    send(&mut met[0], vec![vec![row(100, 1, 6)]]).await;
    let held = settled(|| server.engine.unapplied_bytes()).await;
    drop(met);
    drop(peers);
    while totals(&server).failed == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(server.engine.unapplied_bytes(), held);
    server.db.commit(transaction).unwrap();
    while server.engine.unapplied_bytes() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(server.get("100-1").is_some());
}

// Nobody read from the stream of a session whose large rows waited: its peer gave up, or was gone and nobody noticed.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_large_rows_wait_hears_so_and_one_that_is_gone_waits_no_longer() {
    let mut network = NetworkConfig::default();
    network.endpoint.idle_timeout = Duration::from_secs(6);
    let server = patient(quick(), network);
    server.put("mine", &vec![1.0; 16_384], "{}");
    let to_server = server.listen().await;
    let peers: Vec<Peer> = (0..3).map(|_| Peer::new()).collect();
    let mut met = meet(&to_server, 100, &peers).await;
    let transaction = stop_writes(&server);
    for (site, met) in (100..).zip(&mut met) {
        send(met, vec![vec![row(site, 1, 40)]]).await;
        // The first one has the turn.
        while server.engine.unapplied_bytes() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for _ in 0..4 {
        let told = |message| matches!(message, Message::Ack(0)).then_some(());
        met[1].0.hear_of(told).await.unwrap();
    }
    drop(met.pop());
    peers[2].endpoint.close().await;
    while totals(&server).failed == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.db.commit(transaction).unwrap();
    for (site, met) in (100..).zip(&mut met) {
        finish(met, site, 1, 139).await;
    }
    assert!(server.get("100-1").is_some() && server.get("101-1").is_some());
    assert!(server.get("102-1").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_closes_while_large_rows_wait() {
    let server = patient(quick(), NetworkConfig::default());
    let to_server = server.listen().await;
    let peers = [Peer::new(), Peer::new()];
    let mut met = meet(&to_server, 100, &peers).await;
    let transaction = stop_writes(&server);
    for (site, met) in (100..).zip(&mut met) {
        send(met, vec![vec![row(site, 1, 40)]]).await;
    }
    settled(|| server.engine.unapplied_bytes()).await;
    server.db.rollback(transaction).unwrap();
    drop(server.stop().await);
}
