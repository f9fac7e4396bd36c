//! Shards that a great many sites have changed: what is kept of them, in the file and in memory.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Draw, Scratch, assert_sound, id, payload, peer, put, shard, store};
use rusqlite::Connection;
use vectr_core::replication::record_peer;
use vectr_core::{Inspection, Target, Value, VectrDB};
use vectr_delta::{
    Digest, End, Hello, HelloOffer, NodeName, PageSize, PeerProgress, RemoteApply, ShardVersion, SiteId,
    StoreReply, StoreRequest, Timestamp, VersionVector,
};

#[test]
fn a_file_of_the_former_schema_shows_and_claims_the_same() {
    for sites in [0, 1, 40, 5_000] {
        let scratch = Scratch::new();
        let db = scratch.open("a.db");
        put(&db, "a", &[1.0]);
        take_end(&db, 0..sites);
        let (said, shown) = (hello(&db), metadata(&db));
        db.close().unwrap();
        let former = make_former(&scratch, "a.db");
        let inspection = Inspection::open(&scratch.path("a.db")).unwrap();
        assert!(inspection.verify().unwrap().is_sound());
        assert_eq!(inspection.overview().unwrap().shards[0].peers.len(), 0);
        drop(inspection);
        let db = scratch.open("a.db");
        assert_eq!(metadata(&db), shown);
        assert_eq!((hello(&db).version_vector, hello(&db).tight), (said.version_vector, said.tight));
        // The first write moves what the row has no room for.
        put(&db, "b", &[2.0]);
        let now = metadata(&db);
        assert_eq!(entries(&db), hello(&db).version_vector);
        db.close().unwrap();
        let raw = Connection::open(scratch.path("a.db")).unwrap();
        let inline: i64 =
            raw.query_row("SELECT max(length(version_vector)) FROM shard", [], |row| row.get(0)).unwrap();
        assert!(inline <= 32 * 40, "{inline} bytes of {sites} sites are written with each change");
        drop(raw);
        let db = scratch.open("a.db");
        assert_eq!(metadata(&db), now);
        assert_sound(&db);
        assert!(former > 0);
    }
}

#[test]
fn memory_and_file_agree_after_commits_and_rollbacks() {
    for seed in 0..6 {
        let scratch = Scratch::new();
        let db = scratch.open("a.db");
        let mut draw = Draw(seed);
        for step in 0..60_u64 {
            match draw.below(6) {
                0 => take_end(&db, 100 * step..100 * step + draw.below(80) as u64),
                1 => {
                    let transaction = db.begin().unwrap();
                    let inside = Target { shard: &shard(), transaction: Some(transaction) };
                    db.upsert(inside, &id("x"), payload(&[1.0])).unwrap();
                    // A step that fails takes nothing along of the others.
                    db.upsert(inside, &id("y"), payload(&[1.0, 2.0])).unwrap_err();
                    db.upsert(inside, &id("z"), payload(&[3.0])).unwrap();
                    if draw.below(2) == 0 { db.commit(transaction) } else { db.rollback(transaction) }
                        .unwrap();
                }
                2 => refuse_end(&db, 1_000_000 + step),
                3 => store::renew(&db),
                _ => put(&db, &format!("v{}", draw.below(9)), &[step as f32]),
            }
            let said = hello(&db).version_vector;
            assert_eq!(entries(&db), said, "seed {seed}, step {step}");
            if step % 20 == 19 {
                let other = scratch.open("b.db");
                other.close().unwrap();
                crate::support::copy_database(&scratch.path("a.db"), &scratch.path("b.db"));
                let inspected = Inspection::open(&scratch.path("b.db")).unwrap();
                assert!(inspected.verify().unwrap().is_sound());
            }
        }
        let said = hello(&db);
        db.close().unwrap();
        let db = scratch.open("a.db");
        assert_eq!((hello(&db).version_vector, hello(&db).tight), (said.version_vector, said.tight));
        assert_sound(&db);
    }
}

#[test]
fn each_reader_sees_one_transaction() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "first", &[0.0]);
    take_end(&db, 0..3_000);
    let written = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = 0;
                    while !written.load(Ordering::Acquire) {
                        let said = hello(&db);
                        let own = said.version_vector.seq(said.site);
                        assert_eq!(own, said.digest.rows(), "the version vector is of another transaction");
                        assert!(own >= last);
                        last = own;
                    }
                })
            })
            .collect();
        let write =
            |number: u32| db.upsert(Target::shard(&shard()), &id(&format!("v{number}")), payload(&[1.0]));
        let outcome = (0..400).try_for_each(|number| write(number).map(drop));
        written.store(true, Ordering::Release);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        outcome.unwrap();
    });
}

#[test]
fn what_a_peer_holds_is_noted_by_entries() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    take_end(&db, 0..5_000);
    let said = hello(&db);
    let progress = |version_vector: ShardVersion| PeerProgress {
        peer: peer(1),
        node: NodeName::new("peer").unwrap(),
        changelog: said.changelog,
        position: 0,
        version_vector,
    };
    let behind = |db: &VectrDB| db.overview().unwrap().shards[0].peers[0].changes;
    let unknown: ShardVersion = [(SiteId::new(4), 9)].into_iter().collect();
    record_peer(&db, &shard(), progress(said.version_vector.joined(&unknown))).unwrap();
    assert_eq!((behind(&db), noted(&scratch)), (0, 5_001));
    put(&db, "b", &[1.0]);
    assert_eq!(behind(&db), 1);
    record_peer(&db, &shard(), progress(hello(&db).version_vector)).unwrap();
    assert_eq!((behind(&db), noted(&scratch)), (0, 5_001));
    db.close().unwrap();
    let db = scratch.open("a.db");
    assert_eq!(behind(&db), 0);
    // It was restored from a backup: it holds less, and only that.
    let less: ShardVersion = said.version_vector.iter().take(40).collect();
    record_peer(&db, &shard(), progress(less)).unwrap();
    assert_eq!(noted(&scratch), 40);
    for number in 0..300_u16 {
        let mut bytes = [9; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        let other =
            PeerProgress { peer: vectr_delta::Fingerprint::new(bytes), ..progress(ShardVersion::new()) };
        record_peer(&db, &shard(), other).unwrap();
    }
    assert_eq!(noted(&scratch), 0, "entries of a forgotten peer are kept");
}

/// The number of entries that are stored for peers.
fn noted(scratch: &Scratch) -> i64 {
    let raw = Connection::open(scratch.path("a.db")).unwrap();
    let sql = "SELECT (SELECT count(*) FROM version_entry WHERE part = 4) \
               + (SELECT count(*) FROM peer, json_each(peer.version_vector) AS entry WHERE NOT EXISTS \
                  (SELECT 1 FROM version_entry WHERE part = 4 AND site = unhex(entry.key)))";
    raw.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn hello(db: &VectrDB) -> Hello {
    let offer = HelloOffer {
        nonce: 1,
        codecs: vec![0],
        live: false,
        node: NodeName::new("n").unwrap(),
        clock: db.now(),
        window: 1,
    };
    store::read_hello(db, peer(0), offer).0
}

/// Of `far-<n>`, one superseded change each.
fn end_of(sites: std::ops::Range<u64>) -> End {
    let name = |number: &u64| NodeName::new(&format!("far-{number}")).unwrap();
    End {
        nonce: 1,
        index: 0,
        position: 0,
        version_vector: sites.clone().map(|number| (site(number), 1)).collect(),
        frontier: VersionVector::new(),
        digest: Digest::default(),
        tight: true,
        names: sites.map(|number| (site(number), name(&number))).collect(),
    }
}

/// Spread over all numbers, and far from those of this node.
const fn site(number: u64) -> SiteId {
    SiteId::new(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
}

fn remote(db: &VectrDB) -> Box<RemoteApply> {
    let far = Hello { site: SiteId::new(2), version_vector: ShardVersion::new(), ..hello(db) };
    Box::new(RemoteApply::new(peer(7), &far, 0))
}

fn take_end(db: &VectrDB, sites: std::ops::Range<u64>) {
    store::end(db, remote(db), vec![], end_of(sites));
}

/// An end that claims more of this node than it has made: all of it is rolled back.
fn refuse_end(db: &VectrDB, number: u64) {
    let mut end = end_of(number..number + 50);
    let own = [(db.site(), 1 << 40)].into_iter().collect();
    end.version_vector.join(&own);
    let reply = store::ask(db, StoreRequest::End { remote: remote(db), batches: vec![], end: Box::new(end) });
    assert!(matches!(reply, StoreReply::Forked), "{reply:?}");
}

fn metadata(db: &VectrDB) -> Vec<Value> {
    let rows = db.query("SELECT shard_id, version_vector FROM shard_metadata", vec![]).unwrap().rows;
    rows.into_iter().flatten().collect()
}

/// The version vector, as SQL shows it.
fn entries(db: &VectrDB) -> ShardVersion {
    let Some(Value::Text(text)) = metadata(db).pop() else { return ShardVersion::new() };
    let shown: std::collections::BTreeMap<String, u64> = serde_json::from_str(&text).unwrap();
    let number = |label: &str| u64::from_str_radix(&label[label.len() - 16..], 16).unwrap();
    shown.into_iter().map(|(label, seq)| (SiteId::new(number(&label)), seq)).collect()
}

/// Makes a closed file one of the schema before entries. Returns its version then.
fn make_former(scratch: &Scratch, name: &str) -> i64 {
    let raw = Connection::open(scratch.path(name)).unwrap();
    let views = include_str!("../../../src/storage/migrations/0001_shards.sql").split(';');
    let view = views.into_iter().find(|sql| sql.contains("CREATE VIEW shard_metadata")).unwrap();
    let text = |column: &str, part: u8| {
        format!(
            "UPDATE shard SET {column} = (SELECT json_group_object(site, seq) FROM (SELECT site, max(seq) AS seq FROM \
             (SELECT lower(hex(site)) AS site, seq FROM version_entry WHERE part = {part} AND owner = shard.n \
             UNION ALL SELECT key, value FROM json_each(shard.{column})) GROUP BY site))"
        )
    };
    raw.execute_batch(&format!(
        "{}; {}; UPDATE shard SET received = version_vector; DROP TABLE version_entry; DROP TABLE peer_number; \
         DROP TABLE held_row; DROP VIEW shard_metadata; {view}; PRAGMA user_version = {BEFORE_ENTRIES}",
        text("version_vector", 1),
        text("received", 2),
    ))
    .unwrap();
    BEFORE_ENTRIES
}

const BEFORE_ENTRIES: i64 = 6;

#[test]
fn a_page_that_holds_nothing_new_names_nobody() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    take_end(&db, 0..100);
    let filter = hello(&db).version_vector;
    let ask = |filter| match store::ask(
        &db,
        StoreRequest::ReadPage { after: 0, filter, size: PageSize::default(), counts: false },
    ) {
        StoreReply::Page(page) => page.end.unwrap().names.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!((ask(Some(filter)), ask(None)), (0, 100));
    assert!(hello(&db).clock > Timestamp::default());
}
