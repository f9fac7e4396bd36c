use proptest::prelude::*;
use vectr_delta::{ConflictId, Digest, Row, ShardId, Sibling, Strategy as Shown, VectorId, View};

use crate::support::draw::Draw;
use crate::support::history::rows;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn every_strategy_shows_the_same_bits_whatever_the_order_of_arrival(seed: u64) {
        let mut draw = Draw::new(seed);
        let mut states = rows(&mut draw);
        let first = arrive(&states);
        for _ in 0..3 {
            draw.shuffle(&mut states);
            let again = arrive(&states);
            for strategy in Shown::ALL {
                prop_assert_eq!(bits(strategy.view(&again).as_ref()), bits(strategy.view(&first).as_ref()));
            }
            let shard = ShardId::new("s").unwrap();
            let id = VectorId::new("v").unwrap();
            prop_assert_eq!(ConflictId::of(&shard, &id, &again), ConflictId::of(&shard, &id, &first));
            prop_assert_eq!(digest(&shard, &id, &again), digest(&shard, &id, &first));
        }
    }

    #[test]
    fn a_view_shows_a_live_version_and_merges_hide_none(seed: u64) {
        let row = arrive(&rows(&mut Draw::new(seed)));
        for strategy in Shown::ALL {
            prop_assert!(strategy.view(&row).is_none() || row.is_live());
        }
        prop_assert_eq!(Shown::Merge.view(&row).is_some(), row.is_live());
        let last = row.siblings().iter().max_by_key(|sibling| sibling.precedence()).expect("a version");
        prop_assert_eq!(Shown::LastWriteWins.view(&row).is_some(), last.is_live());
    }

    #[test]
    fn the_order_of_versions_makes_no_difference_to_a_row(seed: u64) {
        let mut draw = Draw::new(seed);
        let row = draw.any_row(6);
        let mut siblings: Vec<Sibling> = row.siblings().to_vec();
        draw.shuffle(&mut siblings);
        prop_assert_eq!(Row::new(siblings, row.context().clone()), Some(row));
    }
}

fn arrive(states: &[Row]) -> Row {
    states.iter().skip(1).fold(states[0].clone(), |row, state| row.join(state))
}

fn digest(shard: &ShardId, id: &VectorId, row: &Row) -> Digest {
    let mut digest = Digest::default();
    digest.add(shard, id, row);
    digest
}

/// A view as text. Compares bytes, so that zeros of different signs differ.
fn bits(view: Option<&View>) -> String {
    format!("{view:?}")
}
