//! Heads and winners, compared with a quadratic model.

use std::collections::BTreeMap;

use proptest::prelude::*;
use vectr_delta::Strategy as Shown;
use vectr_delta::changes::{FlatRef, MERGED, Verdict, newest, resolve};

use super::model::{Change, Delta, delta};
use crate::support::draw::Draw;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn heads_are_those_that_a_quadratic_search_finds(seed: u64) {
        let mut draw = Draw::new(seed);
        let delta = delta(&mut draw, 9);
        for strategy in Shown::ALL {
            let verdict = resolve(delta.flat().borrowed(), strategy).unwrap();
            prop_assert!(verdict.duplicate_dots.is_empty());
            let found: Vec<Group> = groups(&verdict, &delta);
            let expected: Vec<Group> = heads(&delta).into_values().map(|group| naive(strategy, &group)).collect();
            let conflicts = expected.iter().filter(|group| group.heads.len() > 1).count();
            prop_assert_eq!(verdict.ids.len(), conflicts * 32);
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_order_and_repetition_of_changes_do_not_matter(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut delta = delta(&mut draw, 9);
        let before: Vec<(Vec<Group>, String)> = verdicts(&delta);
        draw.shuffle(&mut delta.changes);
        if !delta.changes.is_empty() {
            let again = delta.changes[draw.index(delta.changes.len())].clone();
            delta.changes.push(again);
        }
        prop_assert_eq!(verdicts(&delta), before);
    }

    #[test]
    fn without_vectors_the_verdict_is_the_same_if_duplicate_dots_are_equal(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut delta = delta(&mut draw, 7);
        delta.changes.extend(delta.changes.clone());
        let flat = delta.flat();
        let bare = FlatRef { vectors: &[], ..flat.borrowed() };
        let (full, bare) = (resolve(flat.borrowed(), Shown::Merge).unwrap(), resolve(bare, Shown::Merge).unwrap());
        let same = |pair: &[u32]| {
            let [one, two] = [&delta.changes[pair[0] as usize], &delta.changes[pair[1] as usize]];
            (&one.vector, &one.metadata, one.timestamp, one.operation)
                == (&two.vector, &two.metadata, two.timestamp, two.operation)
        };
        if bare.duplicate_dots.chunks_exact(2).all(same) {
            prop_assert_eq!((full.groups, full.ids), (bare.groups, bare.ids));
        }
    }

    #[test]
    fn newest_keeps_every_change_that_is_not_superseded(seed: u64) {
        let mut draw = Draw::new(seed);
        let delta = delta(&mut draw, 9);
        let flat = delta.flat();
        let kept = newest(&flat.numbers, &flat.text).unwrap();
        prop_assert!(kept.is_sorted());
        let kept: Vec<Change> = kept.iter().map(|index| delta.changes[*index as usize].clone()).collect();
        let left = Delta { changes: kept, ..delta.clone() };
        // No head is lost; the remaining changes may have shorter histories.
        for (id, group) in heads(&delta) {
            let still: Vec<(String, u64)> = left.changes.iter().map(Change::number).collect();
            prop_assert!(group.iter().all(|change| still.contains(&change.number())), "{}", id);
        }
    }

    #[test]
    fn a_duplicate_dot_resolves_to_the_same_content_everywhere(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut delta = delta(&mut draw, 6);
        if delta.changes.is_empty() {
            return Ok(());
        }
        let (id, dot) = (delta.changes[0].vector_id.clone(), delta.changes[0].number());
        for change in &mut delta.changes {
            change.vector_id.clone_from(&id);
            change.dot = Some(dot.clone());
        }
        let winner = |delta: &Delta| {
            let verdict = resolve(delta.flat().borrowed(), Shown::LastWriteWins).unwrap();
            content(&delta.changes[verdict.groups[0] as usize])
        };
        let first = winner(&delta);
        draw.shuffle(&mut delta.changes);
        prop_assert_eq!(first, winner(&delta));
    }
}

#[test]
fn a_change_without_a_dot_is_refused() {
    let mut delta = delta(&mut Draw::new(1), 5);
    delta.changes[0].dot = None;
    delta.changes[0].history.clear();
    let error = resolve(delta.flat().borrowed(), Shown::LastWriteWins).unwrap_err();
    assert_eq!(error.code(), "ERR_ARGUMENT");
}

#[derive(Clone, Debug, PartialEq)]
struct Group {
    /// The content and dot of the winner; `None` if it has to be merged.
    winner: Option<String>,
    heads: Vec<String>,
}

fn content(change: &Change) -> String {
    format!(
        "{:?} {:?} {:?} {} {}",
        change.number(),
        change.vector,
        change.metadata,
        change.timestamp,
        change.operation
    )
}

fn verdicts(delta: &Delta) -> Vec<(Vec<Group>, String)> {
    let verdict = |strategy| resolve(delta.flat().borrowed(), strategy).unwrap();
    Shown::ALL.map(verdict).iter().map(|verdict| (groups(verdict, delta), verdict.ids.clone())).collect()
}

fn groups(verdict: &Verdict, delta: &Delta) -> Vec<Group> {
    let mut rest = verdict.groups.as_slice();
    let mut list = Vec::new();
    while let [winner, count, after @ ..] = rest {
        let (members, after) = after.split_at(*count as usize);
        let show = |index: &u32| content(&delta.changes[*index as usize]);
        list.push(Group {
            winner: (*winner != MERGED).then(|| show(winner)),
            heads: members.iter().map(show).collect(),
        });
        rest = after;
    }
    list
}

/// The heads of each vector, in the order in which they win.
pub(crate) fn heads(delta: &Delta) -> BTreeMap<String, Vec<Change>> {
    let mut vectors: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for change in &delta.changes {
        vectors.entry(change.vector_id.clone()).or_default().push(change.clone());
    }
    for group in vectors.values_mut() {
        let all = group.clone();
        group.sort_by_key(|change| {
            let number = change.number();
            (number.clone(), std::cmp::Reverse((hash(change), change.timestamp, change.operation)), change.id)
        });
        group.dedup_by_key(|change| change.number());
        let last = group.last().cloned();
        group.sort_by_key(|change| (change.timestamp, change.number()));
        let other_has_seen = |number: &(String, u64)| {
            all.iter().any(|other| other.number() != *number && other.has_seen(number))
        };
        group.retain(|change| !other_has_seen(&change.number()));
        if group.is_empty() {
            group.extend(last);
        }
    }
    vectors
}

/// The hash of a payload, computed through a row.
fn hash(change: &Change) -> u128 {
    if !change.is_live() {
        return 0;
    }
    let metadata = change.metadata.as_deref().map(|text| vectr_delta::Metadata::new(text).unwrap());
    let payload = vectr_delta::Payload::from_components(&change.vector, metadata).unwrap();
    u128::from_le_bytes(payload.hash().to_le_bytes())
}

fn naive(strategy: Shown, group: &[Change]) -> Group {
    let live: Vec<&Change> = group.iter().filter(|change| change.is_live()).collect();
    let winner = match strategy {
        Shown::FirstWriteWins => group.first(),
        Shown::Merge => {
            let alike = live.iter().all(|change| change.vector.len() == live[0].vector.len());
            if live.len() > 1 && alike { None } else { live.last().copied().or(group.last()) }
        }
        _ => group.last(),
    };
    Group { winner: winner.map(content), heads: group.iter().map(content).collect() }
}
