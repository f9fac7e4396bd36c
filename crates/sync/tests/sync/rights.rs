//! What a trusted peer may do with which shards.

use std::time::Duration;

use crate::support::{Node, alter, is_marked, quick, shard};
use vectr_delta::{Fingerprint, ShardId};
use vectr_sync::{NetworkConfig, SyncOptions, SyncResult};
use vectr_transport::{Endpoint, EndpointConfig, Grant, Identity, Rights, TlsConfig, TlsSecret, Trust};

fn tls(peer: &str, read: &[&str], write: &[&str]) -> TlsConfig {
    let set = |shards: &[&str]| shards.iter().map(|&shard| shard.to_owned()).collect();
    let mut rights = Rights::none();
    rights.grant(peer, Grant { read: set(read), write: set(write) }).unwrap();
    TlsConfig::default().rights(rights).clone()
}

fn granting(peer: &str, read: &[&str], write: &[&str]) -> NetworkConfig {
    NetworkConfig::default().tls(tls(peer, read, write)).clone()
}

fn knowing(secrets: &[&str]) -> TlsConfig {
    let secret = |text: &&str| TlsSecret { name: "secret", text: (*text).to_owned() };
    TlsConfig::default().secrets(secrets.iter().map(secret).collect()).clone()
}

fn sites(node: &Node) -> usize {
    node.db.shard_statistics(&shard()).unwrap().version_vector.len()
}

fn is_told_of_forbidden(result: &SyncResult) -> bool {
    result.warnings.iter().any(|warning| warning.starts_with("ERR_FORBIDDEN: 1 rows"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_everything_and_changes_nothing_until_it_may_write() {
    let server = Node::with("server", quick(), granting("*", &["shard-1"], &[]));
    let reader = Node::new("reader");
    server.put("theirs", &[1.0], "{}");
    reader.put("mine", &[2.0], "{}");
    let to_server = server.listen().await;
    let digest = server.digest();
    for _ in 0..2 {
        let result = reader.synced(&to_server).await;
        assert!(is_told_of_forbidden(&result), "{:?}", result.warnings);
    }
    assert!(reader.get("theirs").is_some() && server.get("mine").is_none());
    assert_eq!((server.digest(), sites(&server)), (digest, 1), "nor does it claim what it never took in");

    server.engine.set_trust(&TlsConfig::default()).unwrap();
    let result = reader.synced(&to_server).await;
    assert_eq!(result.warnings, Vec::<String>::new());
    assert!(server.get("mine").is_some());
    assert_eq!(server.digest(), reader.digest());
}

// The repair with a reader made a node write, and took away the note that its shard is to be repaired.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_with_a_reader_changes_nothing_until_it_may_write() {
    let server = Node::new("server");
    let reader = Node::new("reader");
    server.put("lost", &[1.0], "{}");
    server.put("kept", &[2.0], "{}");
    reader.synced(&server.listen().await).await;
    let folder = server.stop().await;
    alter(&folder, "DELETE FROM row WHERE id = 'lost'");
    let network = granting("*", &["shard-1"], &[]);
    let server = Node::in_folder("server", folder, quick(), network, None);
    let to_server = server.listen().await;
    let (before, digest) = (server.db.commit_no(), server.digest());
    for _ in 0..2 {
        reader.synced(&to_server).await;
    }
    assert!(server.get("lost").is_none() && is_marked(&server.folder));
    assert_eq!((server.db.commit_no(), server.digest()), (before, digest), "nothing was written");

    server.engine.set_trust(&TlsConfig::default()).unwrap();
    reader.synced(&to_server).await;
    assert!(server.get("lost").is_some());
    assert_eq!(server.digest(), reader.digest());
    // The peer is done before this node has heard its last word, and an engine that is closed waits for none.
    for _ in 0..1_000 {
        if !is_marked(&server.folder) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!is_marked(&server.stop().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_repairs_itself_and_makes_no_shard() {
    let server = Node::with("server", quick(), granting("*", &["*"], &[]));
    let reader = Node::new("reader");
    server.put("theirs", &[1.0], "{}");
    let to_server = server.listen().await;
    reader.synced(&to_server).await;
    let folder = reader.stop().await;
    alter(&folder, "UPDATE row SET vector = zeroblob(4)");
    let reader = Node::in_folder("reader", folder, quick(), NetworkConfig::default(), None);
    reader.synced(&to_server).await;
    assert!(reader.get("theirs").is_some());
    assert_eq!(server.digest(), reader.digest());
    // The note is taken away behind the session's end, before the engine is closed.
    let folder = reader.stop().await;
    assert!(!is_marked(&folder));

    let other = Node::with("other", quick(), granting("*", &["*"], &[]));
    let to_other = other.listen().await;
    alter(&folder, "UPDATE row SET vector = zeroblob(4)");
    let reader = Node::in_folder("reader", folder, quick(), NetworkConfig::default(), None);
    reader.synced(&to_other).await;
    assert_eq!(other.db.shards().unwrap(), []);
    assert!(is_marked(&reader.stop().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_initiator_enforces_its_rights_on_the_responder() {
    let server = Node::new("server");
    server.put("theirs", &[1.0], "{}");
    let to_server = server.listen().await;
    let name = server.engine.fingerprint().to_string();
    let caller = Node::with("caller", quick(), granting(&name, &["*"], &[]));
    caller.put("mine", &[2.0], "{}");
    let result = caller.synced(&to_server).await;
    assert!(is_told_of_forbidden(&result), "{:?}", result.warnings);
    assert_eq!(result.changes_applied, 0);
    assert!(caller.get("theirs").is_none() && server.get("mine").is_some());
    assert_eq!(sites(&caller), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_shard_and_one_that_is_not_there_answer_alike() {
    let server = Node::with("server", quick(), granting("*", &[], &["shared"]));
    server.put("secret", &[1.0], "{}");
    let stranger = Node::new("stranger");
    let to_server = server.listen().await;
    let mut answers = Vec::new();
    // The second time the connection is there already.
    for name in ["shard-1", "nowhere", "shard-1", "nowhere"] {
        let name = ShardId::new(name).unwrap();
        let result = stranger.engine.sync(&name, &to_server, SyncOptions::default()).await.unwrap();
        assert_eq!((result.attempts, result.changes_applied), (1, 0));
        answers.push((result.bytes_received, result.failure.unwrap()));
    }
    assert_eq!(answers[0].1.code, "ERR_FORBIDDEN");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(!answers[0].1.message.contains("shard-1"), "{}", answers[0].1.message);
    let shards = server.db.shards().unwrap();
    assert_eq!(shards, [shard()], "nothing was made for what was asked");
    let shared = ShardId::new("shared").unwrap();
    let allowed = stranger.engine.sync(&shared, &to_server, SyncOptions::default()).await.unwrap();
    assert_eq!(allowed.failure, None);
}

/// The name of a shard is told to nobody who has no right to it, on a first connection or a later one.
#[tokio::test(flavor = "multi_thread")]
async fn not_even_the_name_goes_to_a_peer_without_rights() {
    let spy =
        Endpoint::new(&Identity::ephemeral().unwrap(), &Trust::this_machine(), EndpointConfig::default())
            .unwrap();
    let listener = spy.listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().to_string();
    let node = Node::with("node", quick(), granting(&Fingerprint::new([1; 32]).to_string(), &["*"], &[]));
    node.put("secret", &[1.0], "{}");
    let spying = tokio::spawn(async move {
        let mut heard = Vec::new();
        while let Some(mut stream) = listener.accept().await {
            while let Ok(Some(bytes)) = stream.recv.read().await {
                heard.extend_from_slice(&bytes);
            }
        }
        heard
    });
    for _ in 0..2 {
        let failure = node.sync(&address).await.failure.unwrap();
        assert_eq!(failure.code, "ERR_FORBIDDEN");
        assert!(failure.message.contains(&spy.fingerprint().to_string()), "{}", failure.message);
    }
    spy.close().await;
    assert_eq!(spying.await.unwrap(), b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_taken_away_end_a_live_session_at_its_next_change() {
    let server = Node::new("server");
    let follower = Node::new("follower");
    let to_server = server.listen().await;
    let mut events = follower.engine.events();
    follower.engine.start_auto_sync(&shard(), &to_server, None).unwrap();
    server.put("first", &[1.0], "{}");
    while follower.get("first").is_none() {
        tokio::time::timeout(Duration::from_secs(60), events.next()).await.unwrap().unwrap();
    }
    // Only the rules change: the connection stays.
    let (rules, _) = tls("*", &["other"], &["other"]).load().unwrap();
    server.engine.trust().set(rules);
    server.put("second", &[2.0], "{}");
    follower.put("third", &[3.0], "{}");
    let failed = async {
        loop {
            let event = events.next().await.unwrap();
            if let vectr_sync::SyncEvent::Failed { failure, .. } = event {
                return failure;
            }
        }
    };
    let failure = tokio::time::timeout(Duration::from_secs(60), failed).await.unwrap();
    assert_eq!(failure.code, "ERR_FORBIDDEN");
    assert!(follower.get("second").is_none() && server.get("third").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_moves_to_a_new_secret_while_it_syncs_and_leaves_a_former_member_behind() {
    const OLD: &str = "the old secret of the cluster";
    const NEW: &str = "the new secret of the cluster";
    let retrying = || quick().max_retries(3).clone();
    let member =
        |name: &str| Node::with(name, retrying(), NetworkConfig::default().tls(knowing(&[OLD])).clone());
    let (a, b, former) = (member("a"), member("b"), member("former"));
    let to_b = b.listen().await;
    let steps = [(&b, &[OLD, NEW][..]), (&a, &[NEW, OLD][..]), (&b, &[NEW][..]), (&a, &[NEW][..])];
    for (round, (node, secrets)) in steps.into_iter().enumerate() {
        a.put(&format!("v{round}"), &[1.0], "{}");
        a.synced(&to_b).await;
        assert!(b.get(&format!("v{round}")).is_some());
        node.engine.set_trust(&knowing(secrets)).unwrap();
    }
    a.synced(&to_b).await;
    let failure = former.sync(&to_b).await.failure.unwrap();
    assert_eq!(failure.code, "ERR_TRUST");
    assert_eq!(former.db.count(&shard()).unwrap_or_default(), 0);
}
