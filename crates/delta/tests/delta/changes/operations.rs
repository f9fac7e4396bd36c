//! Operations without causal history.

use proptest::prelude::*;
use vectr_delta::Strategy as Shown;
use vectr_delta::changes::{MERGED, Resolution, resolve_operations};

use super::model::{Change, Delta, delta};
use crate::support::draw::Draw;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn swapping_local_and_remote_makes_no_difference(seed: u64) {
        let mut draw = Draw::new(seed);
        let (local, remote) = (delta(&mut draw, 6).changes, delta(&mut draw, 6).changes);
        for strategy in Shown::ALL {
            let one = shown(&local, &remote, strategy);
            prop_assert_eq!(&shown(&remote, &local, strategy), &one);
            let mut shuffled = local.clone();
            draw.shuffle(&mut shuffled);
            prop_assert_eq!(&shown(&shuffled, &remote, strategy), &one);
        }
    }

    #[test]
    fn on_each_side_the_latest_operation_is_kept(seed: u64) {
        let local = delta(&mut Draw::new(seed), 9).changes;
        let resolution = resolve_operations(Delta::of(local.clone()).flat().borrowed(), local.len() as u32, Shown::Manual);
        for group in resolution.unwrap().groups.chunks_exact(3) {
            let kept = &local[group[2] as usize];
            let later = local.iter().filter(|other| other.vector_id == kept.vector_id);
            prop_assert!(group[0] == group[2] && group[1] == 1);
            prop_assert_eq!(later.map(|other| other.timestamp).max(), Some(kept.timestamp));
        }
    }
}

/// The result of a strategy, or the error that leaves the choice to the caller.
fn shown(local: &[Change], remote: &[Change], strategy: Shown) -> Result<Vec<String>, String> {
    let all = [local, remote].concat();
    let Resolution { groups, merged } =
        resolve_operations(Delta::of(all.clone()).flat().borrowed(), local.len() as u32, strategy)
            .map_err(|error| format!("{} {error}", error.code()))?;
    let mut merged = Delta::from_flat(merged.borrowed()).changes.into_iter();
    let mut rest = groups.as_slice();
    let mut list = Vec::new();
    while let [winner, count, after @ ..] = rest {
        let change = if *winner == MERGED { merged.next().unwrap() } else { all[*winner as usize].clone() };
        let (id, operation, vector) = (change.vector_id, change.operation, change.vector);
        list.push(format!("{id} {operation} {vector:?} {:?} {}", change.metadata, change.timestamp));
        rest = &after[*count as usize..];
    }
    Ok(list)
}

#[test]
fn metadata_that_is_not_an_object_is_not_merged() {
    let mut draw = Draw::new(1);
    let mut one = super::model::change(&mut draw, 1, 2);
    (one.operation, one.vector, one.timestamp, one.metadata) =
        (1, vec![1.0, 2.0], 1, Some(r#"{"a":1}"#.into()));
    let two = Change { timestamp: 2, metadata: Some("[7]".into()), ..one.clone() };
    assert!(shown(&[one], &[two], Shown::Merge).unwrap()[0].contains("[7]"));
}

#[test]
fn manual_names_the_number_of_conflicts() {
    let mut one = super::model::change(&mut Draw::new(1), 1, 2);
    one.timestamp = 1;
    let two = Change { timestamp: 2, ..one.clone() };
    let refused = shown(&[one], &[two], Shown::Manual).unwrap_err();
    assert!(refused.starts_with("ERR_MANUAL_RESOLUTION 1 "), "{refused}");
}
