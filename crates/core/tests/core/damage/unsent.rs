//! A damaged row of the sender holds back itself alone.

use crate::damage::NOW;
use crate::support::sync::sync;
use crate::support::{Scratch, Wall, put, shard, shown};
use rusqlite::Connection;
use vectr_delta::Warning;

// 999 rows were sent again in each session.
#[test]
fn rows_behind_a_damaged_one_are_sent_once_and_it_comes_when_it_is_healed() {
    let (scratch, wall) = (Scratch::new(), Wall::new());
    let a = scratch.open_at("a.db", &wall);
    (0..1_000).for_each(|number| put(&a, &format!("v{number}"), &[1.0, 2.0]));
    let healthy = scratch.open_at("healthy.db", &wall);
    sync(&shard(), (&a, 0), (&healthy, 2), NOW);
    a.close().unwrap();
    let raw = Connection::open(scratch.path("a.db")).unwrap();
    raw.execute("UPDATE row SET vector = x'0000803f01000040' WHERE id = 'v0'", []).unwrap();
    drop(raw);
    let a = scratch.open_at("a.db", &wall);
    let mut b = scratch.open_at("b.db", &wall);
    for expected in [999, 0, 0] {
        let (sender, _) = sync(&shard(), (&a, 0), (&b, 1), NOW);
        assert_eq!((sender.rows_sent, b.count(&shard()).unwrap()), (expected, 999));
        let is_named =
            |warning: &Warning| matches!(warning, Warning::Withheld { id, .. } if id.as_str() == "v0");
        assert!(sender.warnings.iter().any(is_named), "{:?}", sender.warnings);
        assert!(b.shard_statistics(&shard()).unwrap().version_vector.is_empty());
        b.close().unwrap();
        b = scratch.open_at("b.db", &wall);
    }
    sync(&shard(), (&a, 0), (&healthy, 2), NOW);
    let (sender, _) = sync(&shard(), (&a, 0), (&b, 1), NOW);
    // It is in the answer, and at a new place of the changelog.
    assert!(sender.rows_sent <= 2, "{}", sender.rows_sent);
    assert_eq!(shown(&b, "v0"), Some(vec![1.0, 2.0]));
    for db in [&b, &healthy] {
        assert_eq!(a.digest(&shard()).unwrap(), db.digest(&shard()).unwrap());
    }
    let claimed = b.shard_statistics(&shard()).unwrap().version_vector;
    assert_eq!(claimed.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(), [1_000]);
}

// The whole sync failed, until some peer that had the row had healed it.
#[test]
fn a_row_that_cannot_be_read_is_passed_over_and_comes_when_it_is_healed() {
    for damage in ["context = 'none'", "site = 99"] {
        let (scratch, wall) = (Scratch::new(), Wall::new());
        let a = scratch.open_at("a.db", &wall);
        (0..100).for_each(|number| put(&a, &format!("v{number}"), &[1.0, 2.0]));
        let healthy = scratch.open_at("healthy.db", &wall);
        sync(&shard(), (&a, 0), (&healthy, 2), NOW);
        a.close().unwrap();
        let raw = Connection::open(scratch.path("a.db")).unwrap();
        raw.execute(&format!("UPDATE row SET {damage} WHERE id = 'v7'"), []).unwrap();
        drop(raw);
        let a = scratch.open_at("a.db", &wall);
        let b = scratch.open_at("b.db", &wall);
        put(&b, "own", &[3.0, 4.0]);
        for expected in [99, 0] {
            let (sender, _) = sync(&shard(), (&a, 0), (&b, 1), NOW);
            assert_eq!((sender.rows_sent, b.count(&shard()).unwrap()), (expected, 100), "{damage}");
            let is_named =
                |warning: &Warning| matches!(warning, Warning::Withheld { id, .. } if id.as_str() == "v7");
            assert!(sender.warnings.iter().any(is_named), "{damage}: {:?}", sender.warnings);
            assert_eq!(b.shard_statistics(&shard()).unwrap().version_vector.len(), 1);
            assert_eq!(shown(&a, "own"), Some(vec![3.0, 4.0]));
        }
        sync(&shard(), (&a, 0), (&healthy, 2), NOW);
        sync(&shard(), (&a, 0), (&b, 1), NOW);
        sync(&shard(), (&a, 0), (&healthy, 2), NOW);
        assert_eq!(shown(&b, "v7"), Some(vec![1.0, 2.0]), "{damage}");
        for db in [&b, &healthy] {
            assert_eq!(a.digest(&shard()).unwrap(), db.digest(&shard()).unwrap(), "{damage}");
        }
        assert_eq!(b.shard_statistics(&shard()).unwrap().version_vector.len(), 2);
    }
}
