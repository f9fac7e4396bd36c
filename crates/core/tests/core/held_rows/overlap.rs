//! Sessions that overlap share the list and the cursor of one peer.

use super::HOUR;
use super::remote::{FAR, Receiver, early, sound};
use crate::support::{Wall, id, shown};
use vectr_delta::{ChangelogId, UnsentRow};

const FIRST: u64 = 1;
const SECOND: u64 = 2;
const THIRD: u64 = 3;

/// A node that has passed over "late", which its peer has written as number 5, and is at position 5 of the first
/// changelog.
fn holding() -> Receiver {
    let to = Receiver::new();
    let mut whole = to.begin(FIRST);
    whole.apply(&to, 5, vec![early("late", 5)]);
    whole.end(&to, 5, &[(FAR, 5)]);
    assert_eq!((to.listed().len(), to.claimed(FAR)), (1, 0));
    to
}

fn unreadable(name: &str) -> Vec<UnsentRow> {
    vec![UnsentRow { id: id(name), sites: vec![] }]
}

// A row that had changed while its answer was under way left the list with the answer, and was never asked for again.
#[test]
fn an_answer_takes_a_row_off_only_as_it_was_when_it_was_asked_for() {
    let to = Receiver::new();
    let mut whole = to.begin(FIRST);
    whole.pass_over(unreadable("a"));
    whole.apply(&to, 5, vec![]);
    let (mut asking, mut other) = (to.begin(FIRST), to.begin(FIRST));
    let asked = to.listed();
    other.pass_over(unreadable("a"));
    other.apply(&to, 7, vec![]);
    asking.answer(&to, asked, vec![]);
    assert_eq!(to.listed().len(), 1, "the answer is older than what the other session has passed over");
    let mut asking = to.begin(FIRST);
    asking.answer(&to, to.listed(), vec![]);
    assert_eq!(to.listed(), []);
}

// A live session claimed nothing of its peer any more once another node with the same certificate had synced.
#[test]
fn a_session_whose_cursor_another_changelog_has_replaced_still_learns() {
    for others in [&[SECOND][..], &[SECOND, THIRD]] {
        let to = holding();
        let (mut live, asked) = (to.begin(FIRST), to.listed());
        for other in others {
            to.begin(*other).apply(&to, 3, vec![]);
        }
        live.apply(&to, 6, vec![sound("a", 6)]);
        live.end(&to, 6, &[(FAR, 6)]);
        assert_eq!(to.claimed(FAR), 0, "a row of this site is still missing");
        to.wall.set(Wall::START + HOUR);
        live.answer(&to, asked, vec![early("late", 5)]);
        assert!(shown(&to.db, "late").is_some());
        assert_eq!(to.claimed(FAR), 6, "the end before has said so, and no other one may follow");
        live.end(&to, 7, &[(FAR, 7)]);
        assert_eq!(to.claimed(FAR), 7);
        assert_eq!(to.cursor(), Some((ChangelogId::new(*others.last().unwrap()), 3)));
    }
}

#[test]
fn an_end_before_the_answer_is_taken_over_in_full_with_the_answer() {
    let to = holding();
    let (mut live, asked) = (to.begin(FIRST), to.listed());
    live.end(&to, 5, &[(FAR, 5)]);
    assert_eq!(to.claimed(FAR), 0);
    // What is refused again stays.
    live.answer(&to, asked.clone(), vec![early("late", 5)]);
    assert_eq!((to.claimed(FAR), to.listed().len()), (0, 1));
    let mut live = to.begin(FIRST);
    live.end(&to, 5, &[(FAR, 5)]);
    to.wall.set(Wall::START + HOUR);
    live.answer(&to, asked, vec![early("late", 5)]);
    assert_eq!((to.claimed(FAR), to.listed().len()), (5, 0));
}

// Two other changelogs, and then the first one from its start, left a cursor that had passed a row of no list.
#[test]
fn a_cursor_that_moves_on_has_the_rows_that_it_passed_on_the_list() {
    let to = holding();
    let mut live = to.begin(FIRST);
    for other in [SECOND, THIRD] {
        to.begin(other).apply(&to, 3, vec![]);
    }
    assert_eq!(to.cursor(), Some((ChangelogId::new(THIRD), 3)));
    to.begin(FIRST).apply(&to, 1, vec![]);
    assert_eq!((to.cursor(), to.listed()), (Some((ChangelogId::new(FIRST), 1)), vec![]));
    live.apply(&to, 6, vec![sound("a", 6)]);
    assert_eq!(to.cursor(), Some((ChangelogId::new(FIRST), 6)));
    assert_eq!(to.listed().len(), 1);
    live.end(&to, 6, &[(FAR, 6)]);
    assert_eq!(to.claimed(FAR), 0);
}
