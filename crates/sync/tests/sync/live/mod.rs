//! Live sync: commits travel by themselves. Real files, real QUIC.

mod feeds;

use std::time::Duration;

use crate::support::{Node, at, id, shard};
use vectr_sync::{Events, NetworkConfig, SyncConfig, SyncEvent};

/// The next event that `choose` picks; fails after a time that only a fault takes.
async fn heard<T>(events: &mut Events, choose: impl Fn(&SyncEvent) -> Option<T>) -> T {
    let search = async {
        loop {
            let event = events.next().await.expect("the engine is open");
            if let Some(found) = choose(&event) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), search).await.expect("the event comes")
}

async fn online(events: &mut Events, expected: bool) {
    heard(events, |event| match event {
        SyncEvent::Peer { online, .. } if *online == expected => Some(()),
        _ => None,
    })
    .await;
}

/// Takes change events until `done`.
async fn until(events: &mut Events, done: impl Fn() -> bool) {
    while !done() {
        heard(events, |event| matches!(event, SyncEvent::Change { .. }).then_some(())).await;
    }
}

fn quick() -> SyncConfig {
    SyncConfig::default().retry_backoff(Duration::from_millis(20)).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_both_nodes_arrive_without_being_asked_for() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let address = b.listen().await;
    let (mut at_a, mut at_b) = (a.engine.events(), b.engine.events());
    a.engine.start_auto_sync(&shard(), &address, None).unwrap();
    online(&mut at_a, true).await;
    a.put("from-a", &[1.0], "{}");
    until(&mut at_b, || b.get("from-a").is_some()).await;
    b.put("from-b", &[2.0], "{}");
    until(&mut at_a, || a.get("from-b").is_some()).await;
    b.db.delete(at(&shard()), &id("from-a")).unwrap();
    until(&mut at_a, || a.get("from-a").is_none()).await;
    assert_eq!(a.digest(), b.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_say_how_many_rows_and_where_they_stand_in_the_changelog() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    b.put("own", &[0.0], "{}");
    let address = b.listen().await;
    let mut events = b.engine.events();
    for n in 0..10 {
        a.put(&format!("v{n}"), &[n as f32], "{}");
    }
    a.synced(&address).await;
    let (mut rows, mut last) = (0, 1);
    while rows < 10 {
        let (changes, after, to) = heard(&mut events, |event| match event {
            SyncEvent::Change { changes, after, to, .. } => Some((*changes, *after, *to)),
            _ => None,
        })
        .await;
        assert_eq!(after, last);
        (rows, last) = (rows + changes, to);
    }
    assert_eq!((rows, last), (10, b.db.shard_statistics(&shard()).unwrap().change_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_live_nodes_fall_silent_once_each_has_all() {
    // Each answer used to be answered: two idle nodes wrote to their files for ever.
    let (a, b) = (Node::new("a"), Node::new("b"));
    let address = b.listen().await;
    let (mut at_a, mut at_b) = (a.engine.events(), b.engine.events());
    a.engine.start_auto_sync(&shard(), &address, None).unwrap();
    online(&mut at_a, true).await;
    for n in 0..20 {
        let (node, events, other) = if n % 2 == 0 { (&a, &mut at_b, &b) } else { (&b, &mut at_a, &a) };
        node.put(&format!("v{n}"), &[n as f32], "{}");
        until(events, || other.get(&format!("v{n}")).is_some()).await;
    }
    // A once-sync is an exchange behind all that went before; then nothing is left to be written.
    a.synced(&address).await;
    let commits = || (a.db.commit_no(), b.db.commit_no());
    let before = commits();
    a.synced(&address).await;
    let after = commits();
    assert!(after.0 - before.0 <= 2 && after.1 - before.1 <= 2, "{before:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_broke_comes_back_with_what_was_written_meanwhile() {
    let a = Node::with("a", quick(), NetworkConfig::default());
    let b = Node::new("b");
    let address = b.listen().await;
    let mut at_a = a.engine.events();
    a.engine.start_auto_sync(&shard(), &address, None).unwrap();
    online(&mut at_a, true).await;
    let folder = b.stop().await;
    online(&mut at_a, false).await;
    a.put("meanwhile", &[1.0], "{}");
    heard(&mut at_a, |event| matches!(event, SyncEvent::Failed { .. }).then_some(())).await;
    let b = Node::in_folder("b", folder, crate::support::quick(), NetworkConfig::default(), None);
    let mut at_b = b.engine.events();
    // While it was free, the port may have become that of another test's client.
    let free = async {
        while let Err(error) = b.engine.listen(&address).await {
            assert_eq!(error.code(), "ERR_CONFIG", "{error}");
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), free).await.expect("the port is free again");
    until(&mut at_b, || b.get("meanwhile").is_some()).await;
    online(&mut at_a, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_auto_sync_sends_nothing_more_and_starting_twice_is_one() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let address = b.listen().await;
    let (mut at_a, mut at_b) = (a.engine.events(), b.engine.events());
    for _ in 0..3 {
        a.engine.start_auto_sync(&shard(), &address, None).unwrap();
    }
    assert_eq!(a.engine.auto_syncs(), [(shard(), address.clone())]);
    // Each node learns by itself that they have met.
    online(&mut at_a, true).await;
    online(&mut at_b, true).await;
    assert!(a.engine.stop_auto_sync(&shard()) && !a.engine.stop_auto_sync(&shard()));
    online(&mut at_b, false).await;
    a.put("later", &[1.0], "{}");
    assert!(a.engine.auto_syncs().is_empty());
    // Whatever went over the stopped stream would have come before this sync's end.
    assert_eq!(a.synced(&address).await.changes_sent, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_checks_although_nothing_is_written() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let address = b.listen().await;
    let mut at_a = a.engine.events();
    a.engine.start_auto_sync(&shard(), &address, Some(Duration::from_millis(30))).unwrap();
    online(&mut at_a, true).await;
    let first = a.engine.shard_state(&shard()).unwrap().last_sync_at;
    let checked = async {
        while a.engine.shard_state(&shard()).unwrap().last_sync_at <= first {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), checked).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_live_peers_of_one_node_all_get_every_change() {
    let hub = Node::new("hub");
    let address = hub.listen().await;
    let peers: Vec<Node> = (0..50).map(|n| Node::new(&format!("peer-{n}"))).collect();
    let mut heard_by: Vec<Events> = peers.iter().map(|peer| peer.engine.events()).collect();
    for (peer, events) in peers.iter().zip(&mut heard_by) {
        peer.engine.start_auto_sync(&shard(), &address, None).unwrap();
        online(events, true).await;
    }
    for n in 0..20 {
        hub.put(&format!("v{n}"), &[n as f32], "{}");
    }
    peers[7].put("from-a-peer", &[7.0], "{}");
    for (peer, events) in peers.iter().zip(&mut heard_by) {
        let all =
            || (0..20).all(|n| peer.get(&format!("v{n}")).is_some()) && peer.get("from-a-peer").is_some();
        until(events, all).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_live_session_outlasts_the_silence_that_ends_a_stuck_one() {
    let mut network = NetworkConfig::default();
    network.endpoint.idle_timeout = Duration::from_secs(1);
    let (a, b) = (Node::with("a", quick(), network.clone()), Node::with("b", quick(), network));
    let address = b.listen().await;
    let (mut at_a, mut at_b) = (a.engine.events(), b.engine.events());
    a.engine.start_auto_sync(&shard(), &address, None).unwrap();
    online(&mut at_a, true).await;
    // No way to see a silence but to wait for it: longer than the limit for a peer whose turn it is.
    let quiet = tokio::time::timeout(Duration::from_millis(2_500), at_a.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    a.put("after", &[1.0], "{}");
    until(&mut at_b, || b.get("after").is_some()).await;
}
