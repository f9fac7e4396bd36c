//! Databases that exchange nothing but deltas, each from the timestamp of the one before.

mod histories;

use std::thread;

use crate::support::store;
use crate::support::sync::sync;
use crate::support::{Scratch, Wall, delete, id, peer, put, shard, shown};
use vectr_core::{DeltaScope, Target, VectrDB};
use vectr_delta::changes::decode_rows;
use vectr_delta::{HelloOffer, NodeName, ShardId, Timestamp};

fn open(scratch: &Scratch, name: &str, wall: &Wall) -> VectrDB {
    let node = Some(NodeName::new(name).unwrap());
    let mut config = scratch.config(&format!("{name}.db"));
    config.node = node;
    VectrDB::new(config.clock(wall.clock())).unwrap()
}

fn delta(db: &VectrDB, since: u64) -> Vec<u8> {
    db.compute_delta(&shard(), since, &DeltaScope::default()).unwrap()
}

fn apply(db: &VectrDB, bytes: &[u8]) -> u64 {
    db.apply_delta(&shard(), bytes).unwrap().changed
}

/// What a delta has in its header.
fn timestamp(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[6..14].try_into().unwrap())
}

fn ids(bytes: &[u8]) -> Vec<String> {
    decode_rows(bytes).unwrap().rows.iter().map(|entry| entry.id.to_string()).collect()
}

fn digests_are_equal(a: &VectrDB, b: &VectrDB) {
    assert_eq!(a.digest(&shard()).unwrap(), b.digest(&shard()).unwrap());
}

#[test]
fn a_delta_has_what_was_applied_after_and_its_timestamp_goes_on() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let (a, b) = (open(&scratch, "a", &wall), open(&scratch, "b", &wall));
    put(&a, "one", &[1.0]);
    let first = delta(&a, 0);
    assert_eq!(ids(&first), ["one"]);
    put(&a, "two", &[2.0]);
    delete(&a, "one");
    let second = delta(&a, timestamp(&first));
    assert_eq!(ids(&second), ["one", "two"]);
    let third = delta(&a, timestamp(&second));
    assert!(ids(&third).is_empty());
    assert_eq!(ids(&delta(&a, timestamp(&third))), Vec::<String>::new());
    // In the wrong order, and twice.
    for bytes in [&second, &first, &third, &second, &first] {
        apply(&b, bytes);
    }
    assert_eq!((shown(&b, "one"), shown(&b, "two")), (None, Some(vec![2.0])));
    digests_are_equal(&a, &b);
    assert_eq!(b.apply_delta(&shard(), &first).unwrap().changed, 0);
}

#[test]
fn what_came_in_goes_on_and_comes_to_rest() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let [a, b, c] = ["a", "b", "c"].map(|name| open(&scratch, name, &wall));
    put(&b, "b", &[2.0]);
    let mut since_b = timestamp(&delta(&b, 0));
    put(&a, "a", &[1.0]);
    let from_a = delta(&a, 0);
    assert_eq!(apply(&b, &from_a), 1);
    // A relay: c hears of a's change through b.
    let relayed = delta(&b, since_b);
    assert_eq!(ids(&relayed), ["a"]);
    apply(&c, &relayed);
    assert_eq!(shown(&c, "a"), Some(vec![1.0]));
    // An answer has nothing of what it answers, and what it lacks the other holds.
    let mut scope = DeltaScope::default();
    scope.answer_to(from_a.clone());
    let answer = b.compute_delta(&shard(), 0, &scope).unwrap();
    assert_eq!(ids(&answer), ["b"]);
    since_b = timestamp(&answer);
    let since_a = timestamp(&from_a);
    assert_eq!(apply(&a, &answer), 1);
    digests_are_equal(&a, &b);
    // Without one, a change goes back once; it changes nothing there, so it is applied no more.
    assert_eq!(apply(&b, &delta(&a, since_a)), 0);
    assert!(ids(&delta(&b, since_b)).is_empty());
    // What the other does not hold is in the answer, although it knows the vector.
    put(&b, "a", &[3.0]);
    assert_eq!(ids(&b.compute_delta(&shard(), since_b, &scope).unwrap()), ["a"]);
}

#[test]
fn moments_in_milliseconds_lose_nothing_of_their_millisecond() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let db = open(&scratch, "a", &wall);
    wall.set(Wall::START + 5_000);
    put(&db, "before", &[1.0]);
    wall.set(Wall::START + 7_000);
    put(&db, "at once", &[1.0]);
    assert_eq!(ids(&delta(&db, Wall::START / 1_000 + 7)), ["at once"]);
    assert_eq!(ids(&delta(&db, Wall::START / 1_000 + 5)), ["at once", "before"]);
    assert_eq!(ids(&delta(&db, Wall::START + 7_000)), Vec::<String>::new());
    assert_eq!(ids(&delta(&db, Wall::START + 6_999)), ["at once"]);
}

#[test]
fn a_clock_that_knows_nothing_loses_nothing() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    wall.set(5);
    let db = open(&scratch, "a", &wall);
    put(&db, "one", &[1.0]);
    let since = timestamp(&delta(&db, 0));
    assert!(since >= 100_000_000_000_000, "{since} would be read as milliseconds");
    wall.set(1);
    put(&db, "two", &[1.0]);
    assert_eq!(ids(&delta(&db, since)), ["two"]);
    // One without any row says the same of the rows to come.
    let empty = open(&scratch, "b", &wall);
    let since = timestamp(&delta(&empty, 0));
    put(&empty, "one", &[1.0]);
    assert_eq!(ids(&delta(&empty, since)), ["one"]);
}

#[test]
fn moments_rise_across_restarts_and_steps_of_the_clock() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let mut db = open(&scratch, "a", &wall);
    let mut since = 0;
    for round in 0..20_u64 {
        wall.set(Wall::START + [40, 0, 3_000_000, 1, 0][round as usize % 5]);
        let name = format!("v{round}");
        let batch =
            (0..3).map(|n| (Some(id(&format!("{name}-{n}"))), crate::support::payload(&[1.0]))).collect();
        db.insert_batch(Target::shard(&shard()), batch).unwrap();
        if round % 3 == 0 {
            db.close().unwrap();
            db = open(&scratch, "a", &wall);
        }
        let bytes = delta(&db, since);
        assert_eq!(ids(&bytes), [0, 1, 2].map(|n| format!("{name}-{n}")), "round {round}");
        assert!(timestamp(&bytes) > since);
        since = timestamp(&bytes);
    }
}

#[test]
fn a_few_vectors_at_a_time_are_all_of_them_in_the_end() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let (a, b) = (open(&scratch, "a", &wall), open(&scratch, "b", &wall));
    let batch =
        (0..100).map(|n| (Some(id(&format!("v{n}"))), crate::support::payload(&[n as f32]))).collect();
    a.insert_batch(Target::shard(&shard()), batch).unwrap();
    let mut scope = DeltaScope::default();
    scope.max_vectors(7);
    let (mut since, mut deltas) = (0, 0);
    loop {
        let bytes = a.compute_delta(&shard(), since, &scope).unwrap();
        if ids(&bytes).is_empty() {
            break;
        }
        assert!(ids(&bytes).len() <= 7);
        apply(&b, &bytes);
        (since, deltas) = (timestamp(&bytes), deltas + 1);
    }
    assert_eq!(deltas, 15);
    digests_are_equal(&a, &b);
}

#[test]
fn more_than_a_delta_holds_is_said() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let a = open(&scratch, "a", &wall);
    let batch = (0..65_600).map(|n| (Some(id(&format!("v{n}"))), crate::support::payload(&[1.0]))).collect();
    a.insert_batch(Target::shard(&shard()), batch).unwrap();
    let error = a.compute_delta(&shard(), 0, &DeltaScope::default()).unwrap_err();
    assert_eq!(error.code(), "ERR_LIMIT");
    let mut scope = DeltaScope::default();
    scope.max_vectors(usize::MAX);
    let first = a.compute_delta(&shard(), 0, &scope).unwrap();
    let second = a.compute_delta(&shard(), timestamp(&first), &scope).unwrap();
    assert_eq!((ids(&first).len(), ids(&second).len()), (65_536, 64));
    let pages = a.read_changes(&shard(), 10, 65_590).unwrap();
    let lengths: Vec<_> = pages.iter().map(|page| ids(page).len()).collect();
    assert_eq!((lengths.len(), lengths.iter().max(), lengths.iter().sum()), (257, Some(&256), 65_580));
}

#[test]
fn nothing_leaves_before_it_survives_a_power_cut() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let (a, b) = (open(&scratch, "a", &wall), open(&scratch, "b", &wall));
    put(&a, "one", &[1.0]);
    assert!(a.durable_no() < a.commit_no());
    let bytes = delta(&a, 0);
    assert_eq!(a.durable_no(), a.commit_no());
    apply(&b, &bytes);
    assert_eq!(b.durable_no(), b.commit_no());
    put(&b, "two", &[1.0]);
    b.read_changes(&shard(), 0, 9).unwrap();
    assert_eq!(b.durable_no(), b.commit_no());
}

#[test]
fn a_delta_claims_nothing_for_the_version_vector() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let [a, b, c] = ["a", "b", "c"].map(|name| open(&scratch, name, &wall));
    put(&a, "one", &[1.0]);
    let since = timestamp(&delta(&a, 0));
    put(&a, "two", &[1.0]);
    // With a hole: the first change never comes this way.
    apply(&b, &delta(&a, since));
    assert!(b.shard_statistics(&shard()).unwrap().version_vector.is_empty());
    let now = Timestamp::from_micros(Wall::START);
    // c hears of the second change from b, and of both from a: nobody believes that b had the first.
    sync(&shard(), (&b, 1), (&c, 2), now);
    assert_eq!((shown(&c, "one"), shown(&c, "two")), (None, Some(vec![1.0])));
    sync(&shard(), (&a, 0), (&b, 1), now);
    sync(&shard(), (&b, 1), (&c, 2), now);
    digests_are_equal(&a, &b);
    digests_are_equal(&a, &c);
    let offer = |db: &VectrDB| {
        let offer = HelloOffer {
            nonce: 1,
            codecs: vec![0],
            live: false,
            node: NodeName::new("x").unwrap(),
            clock: now,
            window: 1,
        };
        store::read_hello(db, peer(9), offer).0
    };
    assert!(offer(&c).tight, "what came by delta is covered once a session has ended");
}

#[test]
fn what_really_stands_may_be_claimed() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let (a, b) = (open(&scratch, "a", &wall), open(&scratch, "b", &wall));
    for name in ["one", "two", "three"] {
        put(&a, name, &[1.0]);
    }
    let claim =
        |db: &VectrDB, site: &str, seq| db.advance_version_vector(&shard(), &[(site.to_owned(), seq)]);
    let site = a.shard_statistics(&shard()).unwrap().version_vector[0].0.clone();
    assert_eq!(site, format!("a@{}", a.site()));
    let error = claim(&b, &site, 1).unwrap_err();
    assert_eq!(error.code(), "ERR_NOT_HELD");
    assert!(error.to_string().contains(&site), "{error}");
    apply(&b, &delta(&a, 0));
    claim(&b, &site, 2).unwrap();
    claim(&b, &a.site().to_string(), 3).unwrap();
    claim(&b, "whoever", 0).unwrap();
    assert_eq!(b.shard_statistics(&shard()).unwrap().version_vector, [(site.clone(), 3)]);
    for (site, seq) in
        [(site.as_str(), 4), ("whoever", 1), (&format!("b@{}", b.site()), 1), (&site, u64::MAX >> 11)]
    {
        let before = b.shard_statistics(&shard()).unwrap();
        assert_eq!(claim(&b, site, seq).unwrap_err().code(), "ERR_NOT_HELD", "{site} {seq}");
        assert_eq!(b.shard_statistics(&shard()).unwrap(), before);
    }
    // Of a change that was superseded nobody can tell which vector it was of.
    put(&a, "one", &[2.0]);
    put(&a, "one", &[3.0]);
    apply(&b, &delta(&a, 0));
    assert_eq!(claim(&b, &site, 5).unwrap_err().code(), "ERR_NOT_HELD");
    // All or nothing, and no shard is made for it.
    let other = ShardId::new("other").unwrap();
    assert_eq!(b.advance_version_vector(&other, &[(site, 1)]).unwrap_err().code(), "ERR_NOT_HELD");
    assert_eq!(b.shards().unwrap(), [shard()]);
}

#[test]
fn damaged_or_foreign_bytes_leave_everything_as_it_was() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let (a, b) = (open(&scratch, "a", &wall), open(&scratch, "b", &wall));
    for number in 0..20 {
        put(&a, &format!("v{number}"), &[number as f32, 1.0]);
    }
    let good = delta(&a, 0);
    let before = (b.digest(&shard()).unwrap(), b.commit_no());
    for length in 0..good.len() {
        let error = b.apply_delta(&shard(), &good[..length]).unwrap_err();
        assert!(["ERR_PROTOCOL", "ERR_CHECKSUM"].contains(&error.code()), "{length}: {error}");
    }
    for at in 0..good.len() {
        let mut altered = good.clone();
        altered[at] ^= 1 << (at % 8);
        let error = b.apply_delta(&shard(), &altered).unwrap_err();
        assert!(error.code().starts_with("ERR_"), "{at}: {error}");
    }
    assert_eq!((b.digest(&shard()).unwrap(), b.commit_no()), before);
    assert!(b.shards().unwrap().is_empty());
    apply(&b, &good);
    digests_are_equal(&a, &b);
}

#[test]
fn one_row_that_does_not_come_in_keeps_all_others_out() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let ahead = Wall::new();
    ahead.set(Wall::START + 120_000_000);
    let (a, b) = (open(&scratch, "a", &ahead), open(&scratch, "b", &wall));
    put(&a, "late", &[1.0]);
    let error = b.apply_delta(&shard(), &delta(&a, 0)).unwrap_err();
    assert_eq!(error.code(), "ERR_CLOCK_SKEW");
    assert!(error.to_string().contains("'late' is stamped 120 s ahead"), "{error}");
    wall.set(Wall::START + 60_000_000);
    apply(&b, &delta(&a, 0));

    let c = open(&scratch, "c", &wall);
    put(&c, "wide", &[1.0, 2.0]);
    put(&c, "wider", &[1.0, 2.0]);
    let before = (b.digest(&shard()).unwrap(), b.commit_no());
    let error = b.apply_delta(&shard(), &delta(&c, 0)).unwrap_err();
    assert_eq!(error.code(), "ERR_DIMENSIONS");
    assert_eq!((b.digest(&shard()).unwrap(), b.commit_no()), before);
}

#[test]
fn a_shard_of_another_name_takes_a_delta_and_gives_it_back() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let (a, b) = (open(&scratch, "a", &wall), open(&scratch, "b", &wall));
    let (ours, theirs) = (shard(), ShardId::new("theirs").unwrap());
    put(&a, "one", &[1.0]);
    b.apply_delta(&theirs, &delta(&a, 0)).unwrap();
    let there = |name: &str| {
        let entry = b.get(Target::shard(&theirs), &id(name)).unwrap();
        entry.map(|entry| vectr_delta::components(&entry.vector).collect::<Vec<f32>>())
    };
    assert_eq!(there("one"), Some(vec![1.0]));
    b.upsert(Target::shard(&theirs), &id("one"), crate::support::payload(&[2.0])).unwrap();
    let back = b.compute_delta(&theirs, 0, &DeltaScope::default()).unwrap();
    a.apply_delta(&ours, &back).unwrap();
    assert_eq!(shown(&a, "one"), Some(vec![2.0]));
    assert!(a.conflicts(None).unwrap().is_empty());
    let again = a.compute_delta(&ours, 0, DeltaScope::default().answer_to(back)).unwrap();
    assert!(ids(&again).is_empty());
    // The sites of a session in the second shard are numbered for themselves.
    let site = a.site().to_string();
    let dots: Vec<String> = b
        .query("SELECT version_vector FROM vector_changelog WHERE shard_id = 'theirs'", vec![])
        .unwrap()
        .rows
        .iter()
        .map(|row| format!("{row:?}"))
        .collect();
    assert!(dots.iter().all(|dots| !dots.contains(&site)), "{dots:?} {site}");
}

#[test]
fn a_copy_that_goes_on_under_the_same_site_is_found_out() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let (a, b) = (open(&scratch, "a", &wall), open(&scratch, "b", &wall));
    put(&a, "one", &[1.0]);
    // What a life of `a` that this file knows nothing of has written.
    let stolen = {
        let bytes = delta(&a, 0);
        let mut other = scratch.config("copy.db");
        other.clock = wall.clock();
        let other = VectrDB::new(other).unwrap();
        other.apply_delta(&shard(), &bytes).unwrap();
        forged(&bytes)
    };
    let site = a.site();
    apply(&a, &stolen);
    assert_ne!(a.site(), site, "it takes a new site, as in a session");
    apply(&b, &stolen);
    apply(&b, &delta(&a, 0));
    apply(&a, &delta(&b, 0));
    digests_are_equal(&a, &b);
    put(&a, "two", &[2.0]);
    apply(&b, &delta(&a, 0));
    digests_are_equal(&a, &b);
}

/// The same delta, whose only change has the next number of its site and another content.
fn forged(bytes: &[u8]) -> Vec<u8> {
    use vectr_delta::changes::{StoredChange, encode_rows};
    use vectr_delta::{Dot, Row, Sibling};
    let mut delta = decode_rows(bytes).unwrap();
    let entry = &mut delta.rows[0];
    let old = &entry.row.siblings()[0];
    let dot = Dot { seq: old.dot().seq + 1, ..old.dot() };
    entry.row = Row::of_write(
        Sibling::put(dot, old.timestamp().next(), true, crate::support::payload(&[9.0])),
        entry.row.context().clone(),
    );
    let rows = [StoredChange { change_id: 2, entry: entry.clone() }];
    encode_rows(&delta.shard, &rows, &delta.names, Timestamp::default()).unwrap()
}

#[test]
fn writes_during_the_calls_are_in_the_next_delta() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.open("a.db"), scratch.open("b.db"));
    let writer = {
        let a = a.clone();
        thread::spawn(move || {
            for number in 0..600_u32 {
                put(&a, &format!("v{}", number % 200), &[number as f32]);
                if number % 50 == 0 {
                    let batch = (0..40).map(|_| (None, crate::support::payload(&[1.0]))).collect();
                    a.insert_batch(Target::shard(&shard()), batch).unwrap();
                }
            }
        })
    };
    let mut since = 0;
    loop {
        let last = writer.is_finished();
        let bytes = delta(&a, since);
        since = timestamp(&bytes);
        apply(&b, &bytes);
        if last {
            break;
        }
    }
    writer.join().unwrap();
    digests_are_equal(&a, &b);
    assert_eq!(b.count(&shard()).unwrap(), 200 + 12 * 40);
}
