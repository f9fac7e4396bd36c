//! Sessions that begin anew, and new sites, again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::peer::{Peer, Talk, hello};
use crate::support::{Node, shard};
use vectr_delta::{Hello, Message};
use vectr_sync::SyncEvent;

// A peer that answered each live session with ERR_RESTART had 400 of them a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_begins_live_sessions_anew_is_left_alone_for_a_while() {
    let node = Node::new("node");
    node.put("mine", &[1.0], "{}");
    let peer = Peer::new();
    let listener = peer.endpoint.listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().to_string();
    let sessions = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sessions);
    tokio::spawn(async move {
        while let Some(stream) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut talk = Talk::of(stream);
                let _ = talk.say(&Message::Hello(Box::new(Hello { live: true, ..hello(78) }))).await;
                // They have met once it sends something.
                let met = talk
                    .hear_of(|message| matches!(message, Message::Batch(_) | Message::End(_)).then_some(()));
                if met.await.is_some() {
                    talk.reject("ERR_RESTART", "again").await;
                }
            });
        }
    });
    let mut events = node.engine.events();
    node.engine.start_auto_sync(&shard(), &address, None).unwrap();
    let refused = async {
        loop {
            if let Some(SyncEvent::Failed { failure, .. }) = events.next().await {
                return failure;
            }
        }
    };
    let failure = tokio::time::timeout(Duration::from_secs(60), refused).await.unwrap();
    assert_eq!(failure.code, "ERR_LIMIT");
    assert!(failure.message.contains(&address), "{}", failure.message);
    assert!((2..=12).contains(&sessions.load(Ordering::SeqCst)), "{sessions:?}");
    node.engine.stop_all_auto_syncs();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_opens_sessions_and_begins_them_anew_is_refused() {
    let node = Node::new("node");
    let (peer, to_node) = (Peer::new(), node.listen().await);
    let mut refusal = None;
    for _ in 0..16 {
        let mut talk = peer.open(&to_node).await;
        talk.say(&Message::Hello(Box::new(hello(78)))).await.unwrap();
        match talk.hear().await {
            Some(Message::Hello(_)) => talk.reject("ERR_RESTART", "again").await,
            Some(Message::Reject(reject)) => {
                refusal = Some(reject);
                break;
            }
            // The node counts a session a moment after its peer has left it.
            _ => {}
        }
    }
    let refusal = refusal.unwrap();
    assert_eq!((refusal.code.as_str(), refusal.retry), ("ERR_LIMIT", true));
}

// A peer that claimed the node's own site made it take a new one each time, and write all its versions again.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_makes_a_node_take_a_few_new_sites() {
    let node = Node::new("node");
    node.put("mine", &[1.0], "{}");
    let (peer, to_node) = (Peer::new(), node.listen().await);
    for _ in 0..4 {
        let site = node.db.site();
        let (mut talk, _) = peer.meet(&to_node, hello(site.number())).await;
        assert_eq!(talk.refusal().await.as_deref(), Some("ERR_RESTART"));
        assert_ne!(node.db.site(), site);
    }
    let before = (node.db.site(), node.db.commit_no());
    let (mut talk, _) = peer.meet(&to_node, hello(before.0.number())).await;
    assert_eq!(talk.refusal().await.as_deref(), Some("ERR_LIMIT"));
    assert_eq!((node.db.site(), node.db.commit_no()), before);
}
