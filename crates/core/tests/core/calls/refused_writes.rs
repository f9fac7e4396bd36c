//! What no peer would accept is refused where it is written.

use crate::support::sync::sync;
use crate::support::{Scratch, Wall, both, bytes, described, id, payload, put, shard};
use vectr_core::{CoreError, Target, VectrDB};
use vectr_delta::{LocalWrite, Metadata, Payload, Strategy, Timestamp};

const NOW: Timestamp = Timestamp::from_micros(Wall::START);

/// What no check has seen.
fn unchecked(components: &[f32], metadata: &str) -> Payload {
    Payload::from_checked(bytes(components), Some(Metadata::from_checked(metadata)))
}

fn nested(levels: usize) -> String {
    format!("{{\"b\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1))
}

fn upsert(db: &VectrDB, name: &str, payload: Payload) -> Result<(), CoreError> {
    db.upsert(Target::shard(&shard()), &id(name), payload)
}

#[test]
fn metadata_that_breaks_a_rule_is_refused_by_every_write() {
    both(|db| {
        let shard = shard();
        let at = Target::shard(&shard);
        put(db, "v", &[1.0]);
        let digest = db.digest(&shard).unwrap();
        for (text, said) in
            [(nested(1_001), "1000 levels"), (r#"{"b":{"k":1,"\u006b":2}}"#.to_owned(), "twice")]
        {
            let bad = unchecked(&[2.0], &text);
            let refused = |done: Result<(), CoreError>| {
                let error = done.unwrap_err();
                assert!(error.code() == "ERR_ARGUMENT" && error.to_string().contains(said), "{error}");
            };
            refused(upsert(db, "w", bad.clone()));
            refused(db.insert(at, None, bad.clone()).map(drop));
            refused(db.insert_batch(at, vec![(None, payload(&[1.0])), (None, bad.clone())]).map(drop));
            refused(db.update(at, &id("v"), None, bad.metadata().cloned()));
            refused(db.update(at, &id("v"), Some(bytes(&[2.0])), bad.metadata().cloned()));
            let transaction = db.begin().unwrap();
            let within = Target { shard: &shard, transaction: Some(transaction) };
            refused(db.upsert(within, &id("w"), bad.clone()));
            db.commit(transaction).unwrap();
        }
        assert_eq!(db.digest(&shard).unwrap(), digest);
    });
}

/// Two nodes whose merged metadata is above the limit, of which each has half.
fn merged(scratch: &Scratch) -> (VectrDB, VectrDB) {
    let wall = Wall::new();
    let (a, b) = (scratch.open_at("a.db", &wall), scratch.open_at("b.db", &wall));
    for (db, key) in [(&a, "a"), (&b, "b")] {
        db.set_strategy(&shard(), Strategy::Merge).unwrap();
        let half = format!("{{\"{key}\":\"{}\"}}", "x".repeat(200_000));
        upsert(db, "v", described(&[1.0], &half)).unwrap();
    }
    sync(&shard(), (&a, 0), (&b, 1), NOW);
    (a, b)
}

// Every peer refused what was written, for ever, and everything after it was sent again each time.
#[test]
fn an_update_that_would_keep_merged_metadata_above_the_limit_is_refused_where_it_is_written() {
    let scratch = Scratch::new();
    let (a, b) = merged(&scratch);
    let update = |vector, metadata| a.update(Target::shard(&shard()), &id("v"), vector, metadata);
    let error = update(Some(bytes(&[7.0])), None).unwrap_err();
    assert_eq!(error.code(), "ERR_ARGUMENT");
    for said in ["'v'", "400015 bytes", "give metadata"] {
        assert!(error.to_string().contains(said), "{error}");
    }
    for number in 0..20 {
        put(&a, &format!("o{number}"), &[1.0]);
    }
    let (report, _) = sync(&shard(), (&a, 0), (&b, 1), NOW);
    assert_eq!((report.rows_sent, report.warnings.len()), (20, 0));
    update(None, Some(Metadata::new("{}").unwrap())).unwrap();
    let (report, _) = sync(&shard(), (&a, 0), (&b, 1), NOW);
    assert_eq!((report.rows_sent, report.warnings.len()), (1, 0));
    assert_eq!(a.digest(&shard()).unwrap(), b.digest(&shard()).unwrap());
}

#[test]
fn a_resolution_that_no_peer_would_accept_is_refused_and_resolves_nothing() {
    let scratch = Scratch::new();
    let (a, _) = merged(&scratch);
    let conflict = a.conflicts(None).unwrap().remove(0).conflict;
    let digest = a.digest(&shard()).unwrap();
    for bad in [
        unchecked(&[1.0], &nested(1_001)),
        unchecked(&[1.0], &format!("{{\"a\":\"{}\"}}", "x".repeat(Metadata::MAX_BYTES))),
        Payload::from_checked(f32::NAN.to_le_bytes().to_vec().into(), None),
        unchecked(&[1.0, 2.0], "{}"),
    ] {
        assert!(a.resolve_conflict(&conflict, None, LocalWrite::Put(bad)).is_err());
        assert_eq!((a.digest(&shard()).unwrap(), a.conflicts(None).unwrap().len()), (digest, 1));
    }
    let choice = LocalWrite::Put(described(&[1.0], "{}"));
    assert!(a.resolve_conflict(&conflict, None, choice).unwrap().is_none());
}
