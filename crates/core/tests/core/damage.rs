//! Stored bytes that are no longer what was written.

use crate::support::store;
use crate::support::sync::sync;
use crate::support::{Scratch, Wall, described, id, put, shard, shown};
use rusqlite::Connection;
use vectr_core::{Target, VectrDB};
use vectr_delta::{PageSize, Timestamp, Warning};

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
        assert_eq!(report.warnings, [Warning::Withheld { id: id("v2"), code: "ERR_CHECKSUM" }]);
        assert_eq!((b.count(&shard()).unwrap(), shown(&b, "v2")), (2, None));
        assert!(b.shard_statistics(&shard()).unwrap().version_vector.is_empty());
    }
    // Its owner writes it again.
    put(&a, "v2", &[5.0, 6.0]);
    let (report, _) = sync(&shard(), (&a, 0), (&b, 1), NOW);
    assert_eq!((report.warnings.len(), shown(&b, "v2")), (0, Some(vec![5.0, 6.0])));
    assert_eq!(a.digest(&shard()).unwrap(), b.digest(&shard()).unwrap());
}

#[test]
fn a_damaged_vector_is_not_found_by_search_unless_it_still_reads() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let db = damaged(&scratch, &wall, "vector = x'0000803f'");
    let hits = db.search(&vectr_core::Search::new(shard(), vec![1.0, 2.0])).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.id.as_str()).collect::<Vec<_>>(), ["v1", "v3"]);
}
