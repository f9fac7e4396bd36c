//! `resolve_deltas` does the same as decoding, resolving, merging and encoding.

use proptest::prelude::*;
use vectr_delta::Strategy as Shown;
use vectr_delta::changes::{Compression, decode, encode, merge, resolve, resolve_deltas};

use super::bytes::WRITTEN;
use super::model::{Change, Delta, delta};
use crate::support::draw::Draw;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn resolving_deltas_equals_the_single_steps(seed: u64) {
        let mut draw = Draw::new(seed);
        let (local, remote) = (delta(&mut draw, 6), delta(&mut draw, 6));
        let mut compression = || WRITTEN[draw.index(WRITTEN.len())];
        let (first, second) = (compression(), compression());
        let local_bytes = encode(local.flat().borrowed(), first, None).unwrap();
        let remote_bytes = encode(remote.flat().borrowed(), second, None).unwrap();
        for strategy in Shown::ALL {
            let resolved = resolve_deltas(&local_bytes, &remote_bytes, strategy).unwrap();
            prop_assert_eq!(&resolve_deltas(&remote_bytes, &local_bytes, strategy).unwrap(), &resolved);
            let by_hand = step_by_step(&local, &remote, strategy);
            let decoded = decode(&resolved).unwrap();
            prop_assert_eq!(Delta::from_flat(decoded.borrowed()), by_hand.clone().arranged());
            let mut flat = by_hand.flat();
            flat.numbers[5] = decoded.numbers[5];
            prop_assert_eq!(encode(flat.borrowed(), Compression::None, None).unwrap(), resolved);
        }
    }
}

fn step_by_step(local: &Delta, remote: &Delta, strategy: Shown) -> Delta {
    let both = Delta::of([local.changes.as_slice(), &remote.changes].concat());
    let verdict = resolve(both.flat().borrowed(), strategy).unwrap();
    let mut changes = Vec::new();
    let mut rest = verdict.groups.as_slice();
    while let [winner, count, after @ ..] = rest {
        let (members, after) = after.split_at(*count as usize);
        let members: Vec<Change> =
            members.iter().map(|index| both.changes[*index as usize].clone()).collect();
        match (strategy, both.changes.get(*winner as usize)) {
            (Shown::Manual, _) => changes.extend(members),
            (_, Some(winner)) => changes.push(winner.clone()),
            (_, None) => {
                let merged = merge(Delta::of(members).flat().borrowed()).unwrap();
                changes.extend(Delta::from_flat(merged.borrowed()).changes);
            }
        }
        rest = after;
    }
    Delta::of(changes)
}

#[test]
fn deltas_of_different_shards_are_refused() {
    let mut other = Delta::of(Vec::new());
    let local = encode(other.flat().borrowed(), Compression::None, None).unwrap();
    other.shard = "another".into();
    let remote = encode(other.flat().borrowed(), Compression::None, None).unwrap();
    let error = resolve_deltas(&local, &remote, Shown::Merge).unwrap_err();
    assert_eq!(error.code(), "ERR_ARGUMENT");
}
