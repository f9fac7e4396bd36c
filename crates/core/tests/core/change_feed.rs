//! What is told of the changes of a shard, as they are applied.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::sync::sync;
use crate::support::{Scratch, both, delete, payload, put, shard};
use vectr_core::{ChangeFeed, CoreError, Target, VectrDB};
use vectr_delta::changes::decode_rows;
use vectr_delta::{ChangeId, ShardId, Timestamp};

/// The vectors of the next part.
fn next(feed: &mut ChangeFeed) -> Vec<String> {
    let delta = feed.read().unwrap().map(|bytes| decode_rows(&bytes).unwrap());
    // Those of one delta are in the order of their ids.
    delta.map_or_else(Vec::new, |delta| delta.rows.iter().map(|entry| entry.id.to_string()).collect())
}

fn feed(db: &VectrDB, since: impl Into<Option<ChangeId>>) -> ChangeFeed {
    db.changes(&shard(), since.into()).unwrap()
}

#[test]
fn changes_come_once_in_their_order_from_where_one_asks_for_them() {
    both(|db| {
        let mut of_all = feed(db, 0);
        assert_eq!(of_all.read().unwrap(), None);
        put(db, "a", &[1.0]);
        put(db, "b", &[2.0]);
        let mut to_come = feed(db, None);
        assert_eq!(next(&mut of_all), ["a", "b"]);
        assert_eq!(next(&mut to_come), [""; 0]);
        put(db, "a", &[3.0]);
        put(db, "c", &[4.0]);
        put(db, "a", &[5.0]);
        delete(db, "b");
        assert_eq!(next(&mut of_all), ["a", "b", "c"], "the last state of each");
        assert_eq!(next(&mut to_come), ["a", "b", "c"]);
        assert_eq!(next(&mut of_all), [""; 0]);
        assert_eq!(next(&mut feed(db, of_all.position() - 1)), ["b"]);
    });
}

#[test]
fn many_changes_come_in_parts_and_each_part_has_a_place() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    db.insert_batch(Target::shard(&shard()), vec![(None, payload(&[1.0])); 600]).unwrap();
    let mut all = feed(&db, 0);
    let first = next(&mut all);
    assert_eq!(first.len(), 256);
    // A process that ends here goes on there.
    let mut resumed = feed(&db, all.position());
    assert_eq!(next(&mut resumed), next(&mut all));
    assert_eq!([next(&mut all).len(), next(&mut all).len()], [88, 0]);
}

#[test]
fn a_feed_goes_on_in_the_next_process_and_notices_an_older_file() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "a", &[1.0]);
    let backup = scratch.path("backup.db");
    db.backup(&backup).unwrap();
    put(&db, "b", &[1.0]);
    let mut read = feed(&db, 0);
    assert_eq!(next(&mut read), ["a", "b"]);
    let position = read.position();
    drop(read);
    db.close().unwrap();
    let db = scratch.open("a.db");
    put(&db, "c", &[1.0]);
    assert_eq!(next(&mut feed(&db, position)), ["c"]);
    let older = scratch.open("backup.db");
    let error = older.changes(&shard(), Some(position)).unwrap_err();
    assert_eq!(error.code(), "ERR_NOT_HELD");
    assert!(
        matches!(error, CoreError::ChangeNotHeld { since, newest, .. } if (since, newest) == (position, 1))
    );
}

#[test]
fn a_commit_of_the_shard_wakes_its_feed_wherever_it_comes_from_and_no_other() {
    let scratch = Scratch::new();
    let [here, there] = ["here.db", "there.db"].map(|name| scratch.open(name));
    // A first commit is of the site of all shards.
    put(&here, "first", &[1.0]);
    let mut of_shard = feed(&here, None);
    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let subscription = of_shard.on_change(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let take = || woken.swap(0, Ordering::Relaxed);
    let other = ShardId::new("other").unwrap();
    here.insert(Target::shard(&other), None, payload(&[1.0])).unwrap();
    assert_eq!(take(), 0);
    put(&here, "mine", &[1.0]);
    assert_eq!((take(), next(&mut of_shard)), (1, vec!["mine".to_owned()]));
    put(&there, "theirs", &[1.0]);
    sync(&shard(), (&here, 1), (&there, 2), Timestamp::default());
    assert!(take() > 0);
    assert_eq!(next(&mut of_shard), ["theirs"]);
    drop(subscription);
    put(&here, "more", &[1.0]);
    assert_eq!(take(), 0);
}
