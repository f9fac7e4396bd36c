//! What is new in a shard is read once, and goes to all of its live sessions.

use std::time::Duration;

use vectr_delta::ShardId;
use vectr_sync::FeedStatistics;

use crate::support::{Node, at, id, payload, shard};

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_read_once_for_all_live_sessions() {
    let hub = Node::new("hub");
    hub.put("first", &[0.0], "{}");
    let address = hub.listen().await;
    let peers = live_peers(&hub, &address, PEERS).await;
    let before = feed(&hub, &shard());
    for n in 0..CHANGES {
        hub.put(&format!("v{n}"), &[n as f32], "{}");
        until(|| peers.iter().all(|peer| peer.get(&format!("v{n}")).is_some())).await;
    }
    until(|| feed(&hub, &shard()).lagging == 0).await;
    let after = feed(&hub, &shard());
    assert_eq!(after.pages - before.pages, CHANGES);
    assert_eq!(after.hits - before.hits, CHANGES * PEERS);
    assert_eq!(after.misses, before.misses);
    assert_eq!(after.position, hub.db.shard_statistics(&shard()).unwrap().change_id);
    assert!(after.bytes_saved > before.bytes_saved);
    assert!(peers.iter().all(|peer| peer.digest() == hub.digest()));
    for peer in peers {
        peer.engine.close().await;
    }
    until(|| hub.engine.feeds().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_wakes_the_sessions_of_its_shard_only() {
    let (hub, peer) = (Node::new("hub"), Node::new("peer"));
    let shards: Vec<ShardId> = (0..SHARDS).map(|n| ShardId::new(&format!("s{n}")).unwrap()).collect();
    for shard in &shards {
        hub.db.upsert(at(shard), &id("first"), payload(&[0.0], "{}")).unwrap();
    }
    let address = hub.listen().await;
    for shard in &shards {
        peer.engine.start_auto_sync(shard, &address, None).unwrap();
    }
    let holds = |shard: &ShardId, name: &str| peer.db.get(at(shard), &id(name)).unwrap().is_some();
    until(|| shards.iter().all(|shard| holds(shard, "first"))).await;
    let calm = |feed: &FeedStatistics| feed.sessions == 1 && feed.lagging == 0;
    until(|| hub.engine.feeds().values().filter(|feed| calm(feed)).count() == SHARDS).await;
    let before = hub.engine.feeds();
    for n in 0..10 {
        hub.db.upsert(at(&shards[3]), &id(&format!("v{n}")), payload(&[1.0], "{}")).unwrap();
        until(|| holds(&shards[3], &format!("v{n}"))).await;
    }
    until(|| feed(&hub, &shards[3]).lagging == 0).await;
    let mut after = hub.engine.feeds();
    let (woken, was) = (after.remove(&shards[3]).unwrap(), before[&shards[3]]);
    assert_eq!((woken.pages - was.pages, woken.hits - was.hits, woken.misses - was.misses), (10, 10, 0));
    assert!(after.iter().all(|(shard, feed)| *feed == before[shard]), "{after:?}, before: {before:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_fall_behind_the_feed_read_by_themselves() {
    let hub = Node::new("hub");
    hub.put("first", &[0.0; 512], "{}");
    let address = hub.listen().await;
    let peers = live_peers(&hub, &address, 3).await;
    // Together 12 MB: three times what a feed keeps.
    for batch in 0..12 {
        let item = |n: usize| (Some(id(&format!("{batch}-{n}"))), payload(&[n as f32; 512], "{}"));
        hub.db.insert_batch(at(&shard()), (0..500).map(item).collect()).unwrap();
    }
    until(|| peers.iter().all(|peer| peer.digest() == hub.digest())).await;
    let newest = hub.db.shard_statistics(&shard()).unwrap().change_id;
    until(|| (feed(&hub, &shard()).position, feed(&hub, &shard()).lagging) == (newest, 0)).await;
    let before = feed(&hub, &shard());
    hub.put("last", &[1.0; 512], "{}");
    until(|| peers.iter().all(|peer| peer.get("last").is_some())).await;
    assert_eq!(feed(&hub, &shard()).hits - before.hits, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_peer_writes_goes_to_the_others_and_to_one_that_comes_meanwhile() {
    let hub = Node::new("hub");
    let address = hub.listen().await;
    let peers = live_peers(&hub, &address, 4).await;
    for n in 0..30 {
        peers[n % 4].put(&format!("v{}", n % 7), &[n as f32], "{}");
        if n == 15 {
            peers[1].engine.stop_auto_sync(&shard());
        }
    }
    peers[1].engine.start_auto_sync(&shard(), &address, None).unwrap();
    until(|| peers.iter().all(|peer| peer.digest() == hub.digest() && peer.get("v6").is_some())).await;
    until(|| feed(&hub, &shard()).lagging == 0).await;
}

/// Peers with a live session each, which have all that the hub has and wait for commits.
async fn live_peers(hub: &Node, address: &str, count: u64) -> Vec<Node> {
    let peers: Vec<Node> = (0..count).map(|n| Node::new(&format!("peer-{n}"))).collect();
    for peer in &peers {
        peer.engine.start_auto_sync(&shard(), address, None).unwrap();
    }
    until(|| {
        let feed = hub.engine.feeds().remove(&shard()).unwrap_or_default();
        (feed.sessions, feed.lagging) == (count, 0)
    })
    .await;
    peers
}

fn feed(node: &Node, shard: &ShardId) -> FeedStatistics {
    node.engine.feeds().remove(shard).unwrap_or_default()
}

/// Fails after a time that only a fault takes.
async fn until(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it happens");
}

const PEERS: u64 = 8;
const CHANGES: u64 = 20;
/// Ten times as many as a peer may have streams open besides.
const SHARDS: usize = 1_000;
