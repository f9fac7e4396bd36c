//! Messages of many frames, of which the last one comes late or never.

use std::time::Duration;

use bytes::Bytes;

use super::peer::{Peer, Talk, end, hello};
use crate::support::{Node, config, id, payload, quick, shard};
use vectr_delta::{
    Batch, Dot, Frame, Hello, Message, Row, ShardVersion, Sibling, SiteId, Timestamp, Uncompressed,
    VectorRow, VersionVector,
};
use vectr_sync::{NetworkConfig, ShardStatus};

const LIMIT: u64 = 1 << 20;
const IDLE: Duration = Duration::from_secs(6);
const PEERS: u64 = 6;
/// The kind of a batch.
const BATCH: u8 = 2;
/// What the longest of these messages has without its last frame.
const LONG: u64 = 6 * FRAME;
const FRAME: u64 = Frame::MAX_BYTES as u64;
/// What a slow peer sends at a time.
const CRUMB: usize = 6_000;

/// A node with little room for messages that arrive.
fn narrow() -> Node {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let mut network = NetworkConfig::default();
    network.endpoint.idle_timeout = IDLE;
    Node::of("server", folder, config, quick().max_unapplied_bytes(LIMIT).clone(), network)
}

async fn meet(peer: &Peer, address: &str, site: u64) -> (Talk, u64) {
    let (talk, theirs) = peer.meet(address, Hello { live: true, ..hello(site) }).await;
    (talk, theirs.nonce)
}

/// A frame after which more of the message is to come.
fn piece() -> Bytes {
    Frame::piece(BATCH, vec![0; Frame::HEAD + Frame::MAX_BODY], true)
}

/// A row of 2.6 MB, with versions of the site.
fn large_batch(nonce: u64, site: u64) -> Batch {
    let version = |n: u64| {
        let dot = Dot { site: SiteId::new(site), seq: n };
        let stamp = Timestamp::from_micros(1_700_000_000_000_000 + n);
        Sibling::put(dot, stamp, false, payload(&vec![0.5; 16_384], "{}"))
    };
    let row = Row::new((1..=40).map(version).collect(), VersionVector::new()).unwrap();
    Batch { nonce, rows: vec![VectorRow { id: id(&format!("large-{site}")), row }], ..Batch::default() }
}

/// Sends it as a peer does: again, in another session, while the node has no room.
async fn send_large_row(peer: &Peer, address: &str, site: u64) {
    loop {
        let (mut talk, nonce) = meet(peer, address, site).await;
        let frames = Message::Batch(large_batch(nonce, site)).encode(&Uncompressed).unwrap();
        for frame in frames {
            if !talk.try_write(frame).await {
                break;
            }
        }
        match finish((talk, nonce), site).await {
            Ok(()) => return,
            Err(code) => assert_eq!(code, "ERR_LIMIT"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Ends what was begun with a large row, and waits until the node has it, or has refused it with a code.
async fn finish((mut talk, nonce): (Talk, u64), site: u64) -> Result<(), String> {
    let claimed = ShardVersion::from_iter([(SiteId::new(site), 40)]);
    let end = vectr_delta::End { version_vector: claimed, ..end(nonce, 1) };
    // What ended the session is heard below.
    let _ = talk.say(&Message::End(Box::new(end))).await;
    let outcome = talk.hear_of(|message| match message {
        Message::Durable(_) => Some(Ok(())),
        Message::Reject(reject) => Some(Err(reject.code)),
        _ => None,
    });
    outcome.await.unwrap()
}

/// Has the node hold more of a message than it has room for.
async fn begin_long(server: &Node, talk: &mut Talk) {
    talk.write(piece()).await;
    talk.write(piece()).await;
    while server.engine.arriving_bytes() < 2 * (Frame::MAX_BODY as u64) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until nothing counts any more: a session ends a little later than its peer hears of it.
async fn all_given_back(server: &Node) {
    while server.engine.arriving_bytes() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

// Each session held up to 65 MiB of a message that never ended: a hundred of them 6.4 GB.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_never_end_stay_within_a_limit_of_the_node() {
    let server = narrow();
    server.put("mine", &[1.0], "{}");
    let to_server = server.listen().await;
    let peers: Vec<Peer> = (0..PEERS).map(|_| Peer::new()).collect();
    let mut sending = Vec::new();
    for (site, peer) in (100..).zip(&peers) {
        let (mut talk, _) = meet(peer, &to_server, site).await;
        sending.push(tokio::spawn(async move {
            for _ in 0..LONG / FRAME {
                if !talk.try_write(piece()).await {
                    break;
                }
            }
            talk
        }));
    }
    let mut held = 0;
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        held = held.max(server.engine.arriving_bytes());
    }
    assert!(held > LIMIT, "{held} bytes: nobody is refused, the test shows nothing");
    assert!(held <= LIMIT + LONG, "{held} bytes: one message may have more than there is room");
    // Whoever sends what most sessions send needs no room.
    let honest = Node::new("honest");
    honest.put("small", &[2.0], "{}");
    honest.synced(&to_server).await;
    sending.iter().for_each(tokio::task::JoinHandle::abort);
    drop(sending);
    for peer in &peers {
        peer.endpoint.close().await;
    }
    all_given_back(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_rows_of_many_peers_arrive_once_there_is_room() {
    let server = narrow();
    let to_server = server.listen().await;
    let mut sending = Vec::new();
    for site in 100..100 + PEERS {
        let to_server = to_server.clone();
        sending.push(tokio::spawn(async move {
            send_large_row(&Peer::new(), &to_server, site).await;
        }));
    }
    for one in sending {
        one.await.unwrap();
    }
    assert!((100..100 + PEERS).all(|site| server.get(&format!("large-{site}")).is_some()));
    all_given_back(&server).await;
}

// One that sent a byte now and then would keep all others from sending a large row.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_trickles_is_given_up_once_another_one_finds_no_room() {
    let server = narrow();
    let to_server = server.listen().await;
    let [slow, other] = [Peer::new(), Peer::new()];
    let (mut trickle, _) = meet(&slow, &to_server, 100).await;
    begin_long(&server, &mut trickle).await;
    let rest = piece();
    let crumb = |at: usize| rest.slice(at * CRUMB..(at + 1) * CRUMB);
    for at in 0..50 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(trickle.try_write(crumb(at)).await, "it has the time that it needs while nobody waits");
    }
    let sent = tokio::spawn(async move { send_large_row(&other, &to_server, 101).await });
    for at in 50..170 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if !trickle.try_write(crumb(at)).await {
            break;
        }
    }
    assert_eq!(trickle.refusal().await.as_deref(), Some("ERR_LIMIT"));
    sent.await.unwrap();
    assert!(server.get("large-101").is_some());
}

// A message had to arrive whole within the idle timeout: over a slow link no large row ever did.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_may_take_longer_to_arrive_than_a_peer_may_be_silent() {
    let server = narrow();
    let to_server = server.listen().await;
    let peer = Peer::new();
    let (mut talk, nonce) = meet(&peer, &to_server, 100).await;
    let frames = Message::Batch(large_batch(nonce, 100)).encode(&Uncompressed).unwrap().concat();
    let parts = frames.chunks(160_000);
    let pause = 2 * IDLE / parts.len() as u32;
    for part in parts {
        assert!(talk.try_write(Bytes::copy_from_slice(part)).await);
        tokio::time::sleep(pause).await;
    }
    finish((talk, nonce), 100).await.unwrap();
    assert!(server.get("large-100").is_some());
}

// Between commits a live peer may say nothing; one that had begun a message kept what had come of it for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_peer_that_stops_within_a_message_is_left() {
    let server = narrow();
    let to_server = server.listen().await;
    let peer = Peer::new();
    let (mut talk, nonce) = meet(&peer, &to_server, 100).await;
    // Both sides are done.
    talk.say(&Message::End(Box::new(end(nonce, 0)))).await.unwrap();
    let theirs = talk.hear_of(|message| match message {
        Message::End(end) => Some(end.version_vector),
        _ => None,
    });
    let version_vector = theirs.await.unwrap();
    talk.say(&Message::Durable(version_vector)).await.unwrap();
    talk.hear_of(|message| matches!(message, Message::Durable(_)).then_some(())).await.unwrap();
    talk.say(&Message::Done).await.unwrap();
    while server.engine.shard_state(&shard()).unwrap().status != ShardStatus::Idle {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    begin_long(&server, &mut talk).await;
    assert_eq!(talk.refusal().await.as_deref(), Some("ERR_TIMEOUT"));
    all_given_back(&server).await;
}
