//! Several databases behind one address.

use std::path::Path;
use std::time::Duration;

use crate::support::{Node, at, id, payload, quick};
use vectr_core::{Config, VectrDB};
use vectr_delta::{NodeName, ShardId};
use vectr_sync::{NetworkConfig, SyncError, SyncEvent, SyncOptions, SyncResult, SyncServer};

fn shard(name: &str) -> ShardId {
    ShardId::new(name).unwrap()
}

fn open(folder: &Path, file: &str) -> VectrDB {
    VectrDB::new(Config::file(folder.join(file))).unwrap()
}

fn put(db: &VectrDB, shard: &ShardId, name: &str) {
    db.upsert(at(shard), &id(name), payload(&[1.0, 2.0], "{}")).unwrap();
}

fn server(databases: &[VectrDB]) -> Result<SyncServer, SyncError> {
    SyncServer::new(
        databases.to_vec(),
        Some(&NodeName::new("hub").unwrap()),
        quick(),
        NetworkConfig::default(),
    )
}

/// A day, which no test has: sessions end by themselves.
const BOUND: Duration = Duration::from_secs(86_400);

async fn sync(node: &Node, shard: &ShardId, address: &str) -> SyncResult {
    node.engine.sync(shard, address, SyncOptions::default()).await.unwrap()
}

#[tokio::test]
async fn each_shard_is_answered_by_the_database_that_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.db", "b.db"].map(|file| open(folder.path(), file));
    put(&a, &shard("one"), "from-a");
    put(&b, &shard("two"), "from-b");
    put(&b, &shard("three"), "from-b-too");
    let server = server(&[a.clone(), b.clone()]).unwrap();
    let address = server.listen("127.0.0.1:0").await.unwrap().to_string();
    let node = Node::new("client");
    for name in ["one", "two", "three"] {
        put(&node.db, &shard(name), &format!("from-client-{name}"));
        let result = sync(&node, &shard(name), &address).await;
        assert_eq!((result.failure, result.changes_sent, result.changes_applied), (None, 1, 1), "{name}");
    }
    assert_eq!(a.shards().unwrap(), [shard("one")]);
    assert_eq!(b.shards().unwrap(), [shard("three"), shard("two")]);
    for (db, name) in [(&a, "one"), (&b, "two"), (&b, "three")] {
        assert_eq!(db.digest(&shard(name)).unwrap(), node.db.digest(&shard(name)).unwrap());
    }
    let statistics = server.statistics();
    assert_eq!((statistics.connections.accepted, statistics.refused), (1, 0));
    // Its own side of the last session may not be over yet.
    assert_eq!(server.drain(BOUND).await, 0);
    let closed = server.statistics();
    assert_eq!((closed.running, closed.shards.len()), (0, 3));
    for totals in closed.shards.values() {
        assert_eq!((totals.finished, totals.failed, totals.ended), (1, 0, 0));
        assert_eq!((totals.rows_sent, totals.rows_received, totals.rows_applied), (1, 1, 1));
        assert!(totals.bytes_sent > 0 && totals.bytes_received > 0);
    }
}

#[tokio::test]
async fn a_shard_that_none_of_them_holds_is_refused_and_left_unmade() {
    let folder = tempfile::tempdir().unwrap();
    let databases = ["a.db", "b.db"].map(|file| open(folder.path(), file));
    let server = server(&databases).unwrap();
    let address = server.listen("127.0.0.1:0").await.unwrap().to_string();
    let node = Node::new("client");
    put(&node.db, &shard("strange"), "x");
    let result = sync(&node, &shard("strange"), &address).await;
    assert_eq!((result.failure.unwrap().code.as_str(), result.attempts), ("ERR_NOT_FOUND", 1));
    assert!(databases.iter().all(|db| db.shards().unwrap().is_empty()));
    assert_eq!(server.statistics().refused, 1);
    // A database's default shard is its own before its first write.
    put(&node.db, &shard("b"), "x");
    assert!(sync(&node, &shard("b"), &address).await.is_success());
    assert_eq!(databases[1].count(&shard("b")).unwrap(), 1);
    server.close().await;
}

#[tokio::test]
async fn a_server_of_one_database_takes_every_shard() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path(), "a.db");
    let server = server(std::slice::from_ref(&db)).unwrap();
    let address = server.listen("127.0.0.1:0").await.unwrap().to_string();
    let node = Node::new("client");
    put(&node.db, &shard("new"), "x");
    assert!(sync(&node, &shard("new"), &address).await.is_success());
    assert_eq!(db.count(&shard("new")).unwrap(), 1);
    server.close().await;
}

#[tokio::test]
async fn a_shard_in_two_databases_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.db", "b.db"].map(|file| open(folder.path(), file));
    put(&a, &shard("same"), "x");
    put(&b, &shard("same"), "y");
    let error = server(&[a, b]).err().unwrap();
    assert_eq!(error.code(), "ERR_CONFIG");
    for part in ["'same'", "a.db", "b.db"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(server(&[]).err().unwrap().code(), "ERR_CONFIG");
}

#[tokio::test]
async fn a_live_session_at_rest_is_ended_when_the_server_drains() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path(), "a.db");
    put(&db, &shard("a"), "x");
    let server = server(&[db]).unwrap();
    let address = server.listen("127.0.0.1:0").await.unwrap().to_string();
    let node = Node::new("client");
    let mut events = node.engine.events();
    node.engine.start_auto_sync(&shard("a"), &address, None).unwrap();
    while node.db.count(&shard("a")).unwrap() == 0 {
        events.next().await.unwrap();
    }
    assert_eq!(server.drain(BOUND).await, 0);
    let failure = loop {
        if let SyncEvent::Failed { failure, .. } = events.next().await.unwrap() {
            break failure;
        }
    };
    // Trying again at once, it may meet the server that drains, or over TCP nobody.
    assert!(["ERR_CLOSED", "ERR_BUSY", "ERR_PEER_UNREACHABLE"].contains(&&*failure.code), "{failure:?}");
    let totals = server.statistics().shards[&shard("a")];
    assert_eq!((totals.ended, totals.failed), (1, 0));
    node.engine.close().await;
}

#[tokio::test]
async fn a_peer_is_known_to_hold_what_it_confirmed() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let address = b.listen().await;
    for name in ["x", "y"] {
        a.put(name, &[1.0], "{}");
    }
    b.put("z", &[1.0], "{}");
    a.synced(&address).await;
    let fingerprints = (a.engine.fingerprint(), b.engine.fingerprint());
    a.put("w", &[1.0], "{}");
    let (folder_a, folder_b) = (a.stop().await, b.stop().await);
    let peers = |folder: &Path| {
        let db = VectrDB::new(crate::support::config(folder)).unwrap();
        db.overview().unwrap().shards[0].peers.clone()
    };
    let (of_a, of_b) = (peers(folder_a.path()), peers(folder_b.path()));
    assert_eq!(
        (of_a.len(), of_a[0].peer, of_a[0].node.as_str(), of_a[0].changes),
        (1, fingerprints.1, "b", 1)
    );
    assert_eq!(
        (of_b.len(), of_b[0].peer, of_b[0].node.as_str(), of_b[0].changes),
        (1, fingerprints.0, "a", 0)
    );
}
