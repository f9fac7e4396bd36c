//! How far peers are known to be behind.

use crate::support::{Scratch, delete, peer, put, shard, store};
use rusqlite::Connection;
use vectr_core::replication::record_peer;
use vectr_core::{Inspection, PeerLag, VectrDB};
use vectr_delta::{ChangelogId, Fingerprint, HelloOffer, NodeName, PageSize, PeerProgress, ShardVersion};

/// A peer that holds all there is, as a session would tell.
fn holding_all(db: &VectrDB, number: u8) -> PeerProgress {
    let end = store::read_page(db, PageSize::default()).end.unwrap();
    PeerProgress {
        peer: peer(number),
        node: NodeName::new(&format!("peer-{number}")).unwrap(),
        changelog: changelog(db),
        position: db.shard_statistics(&shard()).unwrap().change_id,
        version_vector: end.version_vector,
    }
}

fn changelog(db: &VectrDB) -> ChangelogId {
    let offer = HelloOffer {
        nonce: 1,
        codecs: vec![0],
        live: false,
        node: NodeName::new("n").unwrap(),
        clock: db.now(),
        window: 1,
    };
    store::read_hello(db, peer(0), offer).0.changelog
}

fn lags(db: &VectrDB) -> Vec<PeerLag> {
    db.overview().unwrap().shards[0].peers.clone()
}

fn behind(db: &VectrDB) -> Vec<(Fingerprint, u64)> {
    lags(db).iter().map(|lag| (lag.peer, lag.changes)).collect()
}

#[test]
fn what_was_written_since_is_what_a_peer_is_behind() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    assert_eq!(db.overview().unwrap().shards, []);
    for name in ["a", "b", "c"] {
        put(&db, name, &[1.0]);
    }
    assert_eq!(lags(&db), []);
    record_peer(&db, &shard(), holding_all(&db, 1)).unwrap();
    assert_eq!(behind(&db), [(peer(1), 0)]);
    put(&db, "a", &[2.0]);
    put(&db, "a", &[3.0]);
    assert!(delete(&db, "b"));
    put(&db, "d", &[1.0]);
    assert_eq!(behind(&db), [(peer(1), 3)], "vectors count, not writes");
    record_peer(&db, &shard(), holding_all(&db, 1)).unwrap();
    assert_eq!(behind(&db), [(peer(1), 0)]);
    db.close().unwrap();
    let overview = Inspection::open(&scratch.path("a.db")).unwrap().overview().unwrap();
    assert_eq!(overview.shards[0].peers[0].node.as_str(), "peer-1");
    assert_eq!(overview.shards[0].peers[0].changes, 0);
}

#[test]
fn a_peer_that_forgot_is_behind_again() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    let knowing = holding_all(&db, 1);
    record_peer(&db, &shard(), knowing.clone()).unwrap();
    let restored = PeerProgress { position: 0, version_vector: ShardVersion::new(), ..knowing };
    record_peer(&db, &shard(), restored).unwrap();
    assert_eq!(behind(&db), [(peer(1), 1)]);
}

#[test]
fn a_position_in_another_changelog_says_nothing() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    let all = holding_all(&db, 1);
    let other = ChangelogId::new(7);
    record_peer(&db, &shard(), PeerProgress { changelog: other, version_vector: ShardVersion::new(), ..all })
        .unwrap();
    assert_eq!(behind(&db), [(peer(1), 1)]);
}

#[test]
fn of_a_shard_that_does_not_exist_nothing_is_noted() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    record_peer(&db, &shard(), holding_all(&db, 1)).unwrap();
    put(&db, "a", &[1.0]);
    assert_eq!(lags(&db), []);
}

#[test]
fn the_peers_noted_last_are_kept() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    let standing = holding_all(&db, 1);
    for number in 0..300_u16 {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        record_peer(&db, &shard(), PeerProgress { peer: Fingerprint::new(bytes), ..standing.clone() })
            .unwrap();
    }
    let kept = lags(&db).len();
    assert!((250..=256).contains(&kept), "{kept}");
}

#[test]
fn a_file_from_before_there_were_peers_is_looked_at_too() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    db.close().unwrap();
    let raw = Connection::open(scratch.path("a.db")).unwrap();
    raw.execute_batch(
        "DROP TABLE peer; ALTER TABLE counter DROP COLUMN former_token; DROP TRIGGER row_altered; \
         DROP TRIGGER row_removed; DROP TRIGGER sibling_altered; DROP TRIGGER sibling_removed; \
         DROP TRIGGER row_replaced; DROP TRIGGER sibling_replaced; DROP TABLE altered; DROP TABLE scrub; PRAGMA user_version = 2",
    )
    .unwrap();
    raw.close().unwrap();
    let inspection = Inspection::open(&scratch.path("a.db")).unwrap();
    assert_eq!(inspection.overview().unwrap().shards[0].peers, []);
    assert!(inspection.verify().unwrap().is_sound());
    drop(inspection);
    let db = scratch.open("a.db");
    record_peer(&db, &shard(), holding_all(&db, 1)).unwrap();
    assert_eq!(behind(&db), [(peer(1), 0)]);
}
