//! What a peer can make a node keep and read because of rows that it refuses.

use super::HOUR;
use super::remote::{FAR, Receiver, early, early_of, sound};
use crate::support::{Wall, id, payload, shard, shown};
use rusqlite::Connection;
use vectr_core::Target;
use vectr_delta::{Batch, HeldRow, NodeName, SiteId};

/// The first of many sites.
const fn site(number: u64) -> u64 {
    1_000 * (number + 1)
}

// A list of 1,024 rows of 256 sites each was read in each transaction.
#[test]
fn a_list_has_as_many_sites_as_it_may_have() {
    let to = Receiver::new();
    let mut whole = to.begin(1);
    let fits = HeldRow::MAX_ENTRIES / HeldRow::MAX_SITES;
    for number in 0..=fits as u64 {
        let sites = site(number)..site(number) + HeldRow::MAX_SITES as u64;
        whole.apply(&to, number + 1, vec![early_of(&format!("v{number}"), sites)]);
    }
    assert_eq!(to.listed().len(), fits);
    assert_eq!(
        to.cursor().map(|(_, position)| position),
        Some(fits as u64),
        "the cursor passes what has no room"
    );
}

#[test]
fn a_session_that_has_refused_rows_of_too_many_sites_learns_nothing() {
    for (rows, learnt) in [(60_u64, 3), (70, 0)] {
        let to = Receiver::new();
        let mut whole = to.begin(1);
        let refused =
            (0..rows).map(|number| early_of(&format!("v{number}"), site(number)..site(number) + 256));
        whole.apply(&to, 9, refused.collect());
        whole.end(&to, 9, &[(FAR, 3)]);
        assert_eq!(to.claimed(FAR), learnt, "{rows} rows of 256 sites each");
    }
}

#[test]
fn the_list_is_read_again_only_when_it_has_changed() {
    let to = Receiver::new();
    to.begin(1).apply(&to, 5, vec![early("late", 5)]);
    let mut live = to.begin(1);
    live.apply(&to, 6, vec![]);
    let raw = Connection::open(to.scratch.path("a.db")).unwrap();
    assert_eq!(raw.execute("UPDATE held_row SET context = 'unreadable'", []).unwrap(), 1);
    drop(raw);
    // Each of these would fail if it read the list.
    live.apply(&to, 7, vec![sound("a", 7)]);
    live.end(&to, 7, &[(FAR, 7)]);
    assert_eq!(to.claimed(FAR), 0);
}

// Whoever sent refused rows could fill the file with names.
#[test]
fn names_of_sites_without_a_row_here_are_not_kept() {
    let to = Receiver::new();
    let named = |number: u64| (SiteId::new(number), NodeName::new(&format!("far-{number}")).unwrap());
    let names = [named(1), named(2), (FAR, NodeName::new("far").unwrap())].into();
    let rows = vec![early_of("late", 1..2), sound("a", 1)];
    to.begin(1).apply_batch(&to, Batch { nonce: 1, position: 5, names, rows, ..Batch::default() });
    to.db.close().unwrap();
    let raw = Connection::open(to.scratch.path("a.db")).unwrap();
    let mut named = raw.prepare("SELECT name FROM site WHERE name LIKE 'far%'").unwrap();
    let named: Vec<String> = named.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(named, ["far"]);
}

#[test]
fn a_file_of_the_former_schema_keeps_its_list() {
    let mut to = Receiver::new();
    to.begin(1).apply(&to, 5, vec![early("late", 5)]);
    to.db.close().unwrap();
    let raw = Connection::open(to.scratch.path("a.db")).unwrap();
    raw.execute_batch(
        "DROP INDEX held_row_by_revision; ALTER TABLE held_row DROP COLUMN revision; PRAGMA user_version = 9",
    )
    .unwrap();
    raw.close().unwrap();
    to.db = to.scratch.open_at("a.db", &to.wall);
    let asked = to.listed();
    assert_eq!((asked.len(), asked[0].revision), (1, 0));
    let mut live = to.begin(1);
    live.end(&to, 5, &[(FAR, 5)]);
    assert_eq!(to.claimed(FAR), 0);
    to.wall.set(Wall::START + HOUR);
    live.answer(&to, asked, vec![early("late", 5)]);
    assert_eq!((to.claimed(FAR), to.listed().len(), shown(&to.db, "late").is_some()), (5, 0, true));
}

// Each End that was not tight made the writer look through the whole changelog.
#[test]
fn a_comparison_of_loose_shards_looks_at_so_many_rows_and_no_more() {
    for (rows, compared) in [(100_u64, true), (16_500, false)] {
        let to = Receiver::new();
        let transaction = to.db.begin().unwrap();
        for number in 0..rows {
            let inside = Target { shard: &shard(), transaction: Some(transaction) };
            to.db.upsert(inside, &id(&format!("v{number}")), payload(&[1.0])).unwrap();
        }
        to.db.commit(transaction).unwrap();
        let mut whole = to.begin(1);
        let claimed = [(to.db.site(), rows)];
        assert_eq!(whole.end(&to, 0, &claimed), compared, "{rows} rows");
    }
}
