//! Stored bytes that are no longer what was written.

mod claims;
mod repair;
mod unsent;

use crate::support::store;
use crate::support::sync::sync;
use crate::support::{Scratch, Wall, bytes, delete, described, id, payload, put, shard, shown};
use rusqlite::Connection;
use vectr_core::{CoreError, DeltaScope, Metric, Search, Target, VectrDB};
use vectr_delta::{LocalWrite, Metadata, PageSize, Strategy, Timestamp, VectorId, Warning};

const NOW: Timestamp = Timestamp::from_micros(Wall::START);

/// A database of three vectors, the second of which is damaged.
fn damaged(scratch: &Scratch, wall: &Wall, damage: &str) -> VectrDB {
    let db = scratch.open_at("a.db", wall);
    for name in ["v1", "v2", "v3"] {
        let vector = described(&[1.0, 2.0], r#"{"k":"some text"}"#);
        db.upsert(Target::shard(&shard()), &id(name), vector).unwrap();
    }
    db.close().unwrap();
    let site = db.site();
    let raw = Connection::open(scratch.path("a.db")).unwrap();
    assert_eq!(raw.execute(&format!("UPDATE row SET {damage} WHERE id = 'v2'"), []).unwrap(), 1);
    drop(raw);
    let db = scratch.open_at("a.db", wall);
    assert_eq!(db.site(), site);
    db
}

const DAMAGES: [&str; 9] = [
    "vector = x'0000803f01000040'",
    "vector = x'0000803f'",
    "vector = x'0000803f000040'",
    "vector = NULL",
    "vector = 'text'",
    "metadata = CAST(x'7bff7d' AS TEXT)",
    "hash = NULL",
    "operation = 3",
    "operation = 77",
];

#[test]
fn a_damaged_vector_is_withheld_and_named() {
    for damage in DAMAGES {
        let (scratch, wall) = (Scratch::new(), Wall::new());
        let db = damaged(&scratch, &wall, damage);
        let page = store::read_page(&db, PageSize::default());
        assert_eq!(page.rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["v1", "v3"], "{damage}");
        assert_eq!((page.withheld[0].id.as_str(), page.withheld[0].code), ("v2", "ERR_CHECKSUM"));
        let error = db.get(Target::shard(&shard()), &id("v2")).unwrap_err();
        assert!(error.code() == "ERR_STORAGE" && error.to_string().contains("'v2'"), "{error}");
        assert_eq!(shown(&db, "v3"), Some(vec![1.0, 2.0]));
    }
}

#[test]
fn a_damaged_vector_blocks_no_other_and_is_not_healed_in_silence() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let a = damaged(&scratch, &wall, DAMAGES[0]);
    let b = scratch.open_at("b.db", &wall);
    for _ in 0..2 {
        let (report, _) = sync(&shard(), (&a, 0), (&b, 1), NOW);
        let withheld = Warning::Withheld { id: id("v2"), code: "ERR_CHECKSUM" };
        assert_eq!(report.warnings, [withheld, Warning::Repaired { rows: 0, damaged: 1 }]);
        assert_eq!((b.count(&shard()).unwrap(), shown(&b, "v2")), (2, None));
        assert!(b.shard_statistics(&shard()).unwrap().version_vector.is_empty());
    }
    // Its owner writes it again.
    put(&a, "v2", &[5.0, 6.0]);
    let (report, _) = sync(&shard(), (&a, 0), (&b, 1), NOW);
    assert_eq!((report.warnings.len(), shown(&b, "v2")), (0, Some(vec![5.0, 6.0])));
    assert_eq!(a.digest(&shard()).unwrap(), b.digest(&shard()).unwrap());
}

fn ids<'h>(hits: impl IntoIterator<Item = &'h VectorId>) -> Vec<&'h str> {
    hits.into_iter().map(VectorId::as_str).collect()
}

// It was shown with its damaged bytes, and took the place of a sound one.
#[test]
fn a_damaged_vector_is_no_hit_takes_no_place_and_is_named() {
    for damage in
        DAMAGES.into_iter().chain(["vector = x'0000c07f01000040'", "metadata = '{\"k\":\"same text\"}'"])
    {
        for metric in [Metric::Cosine, Metric::Euclidean, Metric::Dot] {
            let (scratch, wall) = (Scratch::new(), Wall::new());
            let db = damaged(&scratch, &wall, damage);
            let mut search = Search::new(shard(), vec![1.0, 2.0]);
            for k in [1, 2, 10] {
                let hits = db.search(search.metric(metric).k(k)).unwrap();
                assert_eq!(ids(hits.iter().map(|hit| &hit.id)), ["v1", "v3"][..k.min(2)], "{damage}");
                // Where there are enough others it may be passed over unseen.
                assert!(ids(&hits.damaged) == ["v2"] || (k <= 2 && hits.damaged.is_empty()), "{damage} {k}");
            }
        }
    }
}

#[test]
fn a_damaged_id_makes_no_search_fail() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let db = damaged(&scratch, &wall, "id = CAST(x'760a' AS TEXT)");
    let hits = db.search(&Search::new(shard(), vec![1.0, 2.0])).unwrap();
    assert_eq!(ids(hits.iter().map(|hit| &hit.id)), ["v1", "v3"]);
    assert_eq!(db.iterate(&shard(), false).unwrap().next_page(9).unwrap_err().code(), "ERR_STORAGE");
}

#[test]
fn an_iteration_lists_every_sound_vector_and_ends_by_naming_the_damaged_ones() {
    for damage in DAMAGES {
        let (scratch, wall) = (Scratch::new(), Wall::new());
        let db = damaged(&scratch, &wall, damage);
        for page in [1, 2, 10] {
            let mut iteration = db.iterate(&shard(), true).unwrap();
            let mut listed = Vec::new();
            let error = loop {
                match iteration.next_page(page) {
                    Ok(found) => listed.extend(found.into_iter().map(|vector| vector.id)),
                    Err(error) => break error,
                }
            };
            assert_eq!(ids(&listed), ["v1", "v3"], "{damage}");
            assert_eq!(error.code(), "ERR_STORAGE");
            assert!(error.to_string().contains("vector 'v2' of shard 'notes'"), "{error}");
            assert!(iteration.next_page(page).unwrap().is_empty());
        }
    }
}

// The damage became a sound new version, which won on every node.
#[test]
fn an_update_keeps_nothing_of_a_damaged_vector() {
    for damage in DAMAGES {
        let (scratch, wall) = (Scratch::new(), Wall::new());
        let db = damaged(&scratch, &wall, damage);
        let update = |vector, metadata| db.update(Target::shard(&shard()), &id("v2"), vector, metadata);
        let metadata = || Some(Metadata::new("{}").unwrap());
        if damage != "operation = 3" {
            for (vector, metadata) in [(None, metadata()), (Some(bytes(&[3.0, 4.0])), None)] {
                let error = update(vector, metadata).unwrap_err();
                assert!(
                    error.code() == "ERR_STORAGE" && error.to_string().contains("write it anew"),
                    "{error}"
                );
            }
        }
        let page = store::read_page(&db, PageSize::default());
        assert_eq!(ids(page.withheld.iter().map(|row| &row.id)), ["v2"], "{damage}");
        update(Some(bytes(&[3.0, 4.0])), metadata()).unwrap();
        assert_eq!(shown(&db, "v2"), Some(vec![3.0, 4.0]));
        assert!(store::read_page(&db, PageSize::default()).withheld.is_empty());
    }
}

#[test]
fn a_damaged_vector_can_be_written_anew_or_deleted() {
    for write in [|db: &VectrDB| put(db, "v2", &[3.0, 4.0]), |db: &VectrDB| assert!(delete(db, "v2"))] {
        let (scratch, wall) = (Scratch::new(), Wall::new());
        let (a, b) = (damaged(&scratch, &wall, DAMAGES[0]), scratch.open_at("b.db", &wall));
        write(&a);
        let (report, _) = sync(&shard(), (&a, 0), (&b, 1), NOW);
        assert_eq!((report.warnings.len(), shown(&a, "v2")), (0, shown(&b, "v2")));
        assert_eq!(a.digest(&shard()).unwrap(), b.digest(&shard()).unwrap());
    }
}

/// Two nodes with one vector in conflict, on the first of which one version is damaged.
fn in_conflict(scratch: &Scratch, wall: &Wall) -> (VectrDB, VectrDB) {
    let (a, b) = (scratch.open_at("a.db", wall), scratch.open_at("b.db", wall));
    for (db, value) in [(&a, 1.0), (&b, 2.0)] {
        db.set_strategy(&shard(), Strategy::Manual).unwrap();
        put(db, "v", &[value]);
        put(db, &format!("other {value}"), &[value]);
    }
    sync(&shard(), (&a, 0), (&b, 1), NOW);
    a.close().unwrap();
    let raw = Connection::open(scratch.path("a.db")).unwrap();
    assert_eq!(raw.execute("UPDATE sibling SET vector = x'0000c040'", []).unwrap(), 1);
    drop(raw);
    (scratch.open_at("a.db", wall), b)
}

#[test]
fn nothing_is_chosen_from_damaged_versions() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let (a, b) = in_conflict(&scratch, &wall);
    assert_eq!(b.pending_conflicts(None).unwrap().len(), 1);
    assert!(a.pending_conflicts(None).unwrap().is_empty() && a.conflicts(None).unwrap().is_empty());
    assert_eq!(a.get(Target::shard(&shard()), &id("v")).unwrap_err().code(), "ERR_STORAGE");
    let hits = a.search(&Search::new(shard(), vec![1.0])).unwrap();
    assert_eq!((hits.len(), ids(&hits.damaged)), (2, vec!["v"]));
    // It is settled where it is sound, or by its known id.
    let conflict = b.pending_conflicts(None).unwrap()[0].conflict;
    assert!(a.resolve_conflict(&conflict, None, LocalWrite::Put(payload(&[7.0]))).unwrap().is_none());
    sync(&shard(), (&a, 0), (&b, 1), NOW);
    assert_eq!((shown(&a, "v"), shown(&b, "v")), (Some(vec![7.0]), Some(vec![7.0])));
}

#[test]
fn a_sound_copy_that_arrives_takes_the_place_of_a_damaged_one() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let (a, b) = in_conflict(&scratch, &wall);
    // A third version makes the other node send the whole row.
    let c = scratch.open_at("c.db", &wall);
    put(&c, "v", &[3.0]);
    sync(&shard(), (&c, 2), (&b, 1), NOW);
    sync(&shard(), (&b, 1), (&a, 0), NOW);
    assert_eq!(a.pending_conflicts(None).unwrap()[0].row.siblings().len(), 3);
    assert_eq!(a.digest(&shard()).unwrap(), b.digest(&shard()).unwrap());
    // So does one that brings nothing else.
    a.close().unwrap();
    let raw = Connection::open(scratch.path("a.db")).unwrap();
    assert_eq!(raw.execute("UPDATE row SET vector = x'0000c040' WHERE id = 'v'", []).unwrap(), 1);
    drop(raw);
    let a = scratch.open_at("a.db", &wall);
    assert!(a.pending_conflicts(None).unwrap().is_empty());
    let delta = b.compute_delta(&shard(), 0, &DeltaScope::default()).unwrap();
    assert_eq!(a.apply_delta(&shard(), &delta).unwrap().changed, 1);
    assert_eq!(a.pending_conflicts(None).unwrap().len(), 1);
    assert_eq!(a.digest(&shard()).unwrap(), b.digest(&shard()).unwrap());
    assert_eq!(a.apply_delta(&shard(), &delta).unwrap().changed, 0);
}

#[test]
fn a_delta_names_the_damaged_vector_that_it_cannot_hold() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let db = damaged(&scratch, &wall, DAMAGES[0]);
    let error = db.compute_delta(&shard(), 0, &DeltaScope::default()).unwrap_err();
    assert!(
        matches!(&error, CoreError::DamagedVectors { ids, count: 1, .. } if *ids == [id("v2")]),
        "{error}"
    );
}
