//! Rows and messages that name a great many sites.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::peer::{Peer, end, hello, wide};
use crate::support::{Node, shard};
use vectr_delta::{Batch, Message, NodeName, ShardVersion, SiteId, VectorRow};

/// Has a peer send these rows, a batch each, and waits until they are applied.
async fn send(address: &str, batches: Vec<Vec<VectorRow>>, names: &BTreeMap<SiteId, NodeName>) {
    let peer = Peer::new();
    let (mut talk, theirs) = peer.meet(address, hello(77)).await;
    let count = batches.len() as u64;
    for (index, rows) in (0..).zip(batches) {
        let names = names.clone();
        let batch = Batch { nonce: theirs.nonce, index, rows, names, ..Batch::default() };
        talk.say(&Message::Batch(batch)).await.unwrap();
    }
    let applied = talk.hear_of(|message| match message {
        Message::Ack(batches) if batches == count => Some(()),
        Message::Reject(reject) => panic!("{reject:?}"),
        _ => None,
    });
    applied.await.unwrap();
    let claimed = ShardVersion::from_iter([(SiteId::new(77), 9)]);
    let last = vectr_delta::End { version_vector: claimed, names: names.clone(), ..end(theirs.nonce, count) };
    talk.say(&Message::End(Box::new(last))).await.unwrap();
    let durable = talk.hear_of(|message| matches!(message, Message::Durable(_)).then_some(()));
    durable.await.unwrap();
}

// A page of rows that name many sites, each fewer than it may, could be read by nobody: no peer got any row of the shard.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_many_sites_reach_other_nodes() {
    let cases = [
        vec![vec![wide("one", 1, 1_000_000, 30_000)], vec![wide("one", 2, 2_000_000, 30_000)]],
        vec![vec![wide("one", 1, 1_000_000, 10_000)], vec![wide("two", 2, 2_000_000, 32_000)]],
        (1..7).map(|n| vec![wide(&format!("v{n}"), n, n << 20, 6_000)]).collect(),
    ];
    for batches in cases {
        let server = Node::new("server");
        server.put("theirs", &[1.0], "{}");
        let to_server = server.listen().await;
        send(&to_server, batches, &BTreeMap::new()).await;
        server.put("after", &[2.0], "{}");
        let honest = Node::new("honest");
        honest.synced(&to_server).await;
        assert!(honest.get("theirs").is_some() && honest.get("after").is_some());
        assert_eq!(honest.digest(), server.digest());
    }
}

// 2 MB of names that no row needs became 11 MB on disk, for ever, and took their names from other nodes.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_no_row_needs_are_not_kept_and_rename_nobody() {
    let (server, honest) = (Node::new("server"), Node::new("honest"));
    let to_server = server.listen().await;
    honest.put("mine", &[1.0], "{}");
    honest.synced(&to_server).await;
    let name = |text: &str| NodeName::new(text).unwrap();
    let mut names: BTreeMap<SiteId, NodeName> =
        (1_000_000..1_030_000).map(|site| (SiteId::new(site), name("x"))).collect();
    names.extend([(honest.db.site(), name("renamed")), (SiteId::new(5), name("five"))]);
    // The row's context names site 5 and the honest node's.
    let mut row = wide("v", 1, 5, 1);
    let mut context = row.row.context().clone();
    context.add(vectr_delta::Dot { site: honest.db.site(), seq: 1 });
    row.row = vectr_delta::Row::new(row.row.siblings().to_vec(), context).unwrap();
    send(&to_server, vec![vec![row]], &names).await;
    let known = server.db.shard_statistics(&shard()).unwrap().version_vector;
    assert!(known.iter().any(|(site, _)| site.starts_with("honest@")), "{known:?}");
    let folder = server.stop().await;
    let raw = Connection::open(folder.path().join("agent.db")).unwrap();
    let count = |sql: &str| raw.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert!(count("SELECT count(*) FROM site") < 10);
    assert_eq!(count("SELECT count(*) FROM site WHERE name = 'five'"), 1);
}

// Each session of a peer that said another site in its Hello left that site behind, in the file and in memory.
#[tokio::test(flavor = "multi_thread")]
async fn sites_of_which_nothing_comes_are_not_kept() {
    let server = Node::new("server");
    server.put("theirs", &[1.0], "{}");
    let to_server = server.listen().await;
    let peer = Peer::new();
    for site in 1_000..1_050 {
        let (mut talk, _) = peer.meet(&to_server, hello(site)).await;
        // Rows come once the Hello was taken in.
        let sent = talk.hear_of(|message| matches!(message, Message::Batch(_)).then_some(()));
        sent.await.unwrap();
    }
    let folder = server.stop().await;
    let raw = Connection::open(folder.path().join("agent.db")).unwrap();
    let sites: i64 = raw.query_row("SELECT count(*) FROM site", [], |row| row.get(0)).unwrap();
    assert!(sites < 5, "{sites} sites");
}
