//! Rows that are not taken in hold back themselves alone.

mod bounds;
mod overlap;
mod remote;

use crate::support::cluster::NOW;
use crate::support::sync::{sync, sync_with_former_build};
use crate::support::{Scratch, Wall, put, shard, shown};
use vectr_core::{CoreError, VectrDB};
use vectr_delta::{SessionReport, Timestamp, Warning};

const HOUR: u64 = 3_600_000_000;

/// A node with `early` rows of another one whose clock is an hour ahead, and 1,000 of its own behind them; and an
/// empty node.
struct Pair {
    scratch: Scratch,
    wall: Wall,
    a: VectrDB,
    b: VectrDB,
}

impl Pair {
    fn new(early: usize) -> Self {
        let (scratch, ahead, wall) = (Scratch::new(), Wall::new(), Wall::new());
        ahead.set(Wall::START + HOUR);
        let fast = scratch.open_at("fast.db", &ahead);
        let a = scratch.open_at("a.db", &ahead);
        (0..early).for_each(|number| put(&fast, &format!("early{number}"), &[7.0]));
        sync(&shard(), (&fast, 2), (&a, 0), Timestamp::from_micros(Wall::START + HOUR));
        ahead.set(Wall::START);
        (0..1_000).for_each(|number| put(&a, &format!("v{number}"), &[1.0]));
        let b = scratch.open_at("b.db", &wall);
        Self { scratch, wall, a, b }
    }

    /// What the two nodes report.
    fn sync(&self) -> (SessionReport, SessionReport) {
        sync(&shard(), (&self.a, 0), (&self.b, 1), NOW)
    }

    fn reopen(&mut self) {
        self.b.close().unwrap();
        self.b = self.scratch.open_at("b.db", &self.wall);
    }

    fn assert_equal(&self) {
        assert_eq!(self.a.digest(&shard()).unwrap(), self.b.digest(&shard()).unwrap());
        let claimed = |db: &VectrDB| db.shard_statistics(&shard()).unwrap().version_vector.len();
        assert_eq!(claimed(&self.a), claimed(&self.b));
    }
}

fn held(report: &SessionReport) -> u64 {
    let of = |warning: &Warning| match warning {
        Warning::Held(held) => held.rows,
        _ => 0,
    };
    report.warnings.iter().map(of).sum()
}

// 1,000 rows were sent again in each session, for as long as one was refused.
#[test]
fn one_refused_row_holds_back_itself_alone() -> Result<(), CoreError> {
    let mut pair = Pair::new(1);
    let (_, report) = pair.sync();
    assert_eq!((pair.b.count(&shard())?, held(&report)), (1_000, 1));
    for _ in 0..2 {
        let (sender, report) = pair.sync();
        assert_eq!((sender.rows_sent, report.rows_applied, held(&report)), (1, 0, 1));
        // The list survives a restart, and so does the cursor.
        pair.reopen();
    }
    pair.wall.set(Wall::START + HOUR);
    let (sender, report) = pair.sync();
    assert_eq!((sender.rows_sent, report.rows_applied, held(&report)), (1, 1, 0));
    assert_eq!(shown(&pair.b, "early0"), Some(vec![7.0]));
    pair.assert_equal();
    let before = pair.b.commit_no();
    let (sender, _) = pair.sync();
    assert_eq!((sender.rows_sent, pair.b.commit_no()), (0, before));
    Ok(())
}

#[test]
fn a_row_on_the_list_that_changes_meanwhile_is_taken_as_it_is_then() {
    let pair = Pair::new(1);
    pair.sync();
    put(&pair.a, "early0", &[8.0]);
    let (sender, _) = pair.sync();
    // Its own stamp follows the one that it replaces, so it is refused as well.
    assert!(sender.rows_sent <= 2 && shown(&pair.b, "early0").is_none());
    pair.wall.set(Wall::START + HOUR);
    pair.sync();
    assert_eq!(shown(&pair.b, "early0"), Some(vec![8.0]));
    pair.assert_equal();
}

#[test]
fn a_row_on_the_list_may_come_from_another_node() {
    let pair = Pair::new(1);
    pair.sync();
    let c = pair.scratch.open_at("c.db", &pair.wall);
    pair.wall.set(Wall::START + HOUR);
    sync(&shard(), (&pair.a, 0), (&c, 3), NOW);
    sync(&shard(), (&c, 3), (&pair.b, 1), NOW);
    assert_eq!(shown(&pair.b, "early0"), Some(vec![7.0]));
    pair.sync();
    pair.assert_equal();
    let (sender, _) = pair.sync();
    assert_eq!(sender.rows_sent, 0);
}

#[test]
fn a_full_list_keeps_the_cursor_below_the_first_row_without_room() -> Result<(), CoreError> {
    let pair = Pair::new(1_100);
    for _ in 0..2 {
        let (sender, report) = pair.sync();
        assert!(sender.rows_sent >= 1_000, "{}", sender.rows_sent);
        assert_eq!((pair.b.count(&shard())?, held(&report) >= 1_100), (1_000, true));
    }
    pair.wall.set(Wall::START + HOUR);
    pair.sync();
    assert_eq!(pair.b.count(&shard())?, 2_100);
    pair.assert_equal();
    let (sender, _) = pair.sync();
    assert_eq!(sender.rows_sent, 0);
    Ok(())
}

#[test]
fn a_former_build_sends_all_again_and_loses_nothing() -> Result<(), CoreError> {
    let pair = Pair::new(1);
    // The list is there, and the peer cannot be asked.
    pair.sync();
    for _ in 0..2 {
        sync_with_former_build(&shard(), (&pair.a, 0), (&pair.b, 1), NOW);
        assert_eq!((pair.b.count(&shard())?, shown(&pair.b, "early0")), (1_000, None));
    }
    pair.wall.set(Wall::START + HOUR);
    sync_with_former_build(&shard(), (&pair.a, 0), (&pair.b, 1), NOW);
    assert_eq!(shown(&pair.b, "early0"), Some(vec![7.0]));
    sync_with_former_build(&shard(), (&pair.a, 0), (&pair.b, 1), NOW);
    pair.assert_equal();
    Ok(())
}
