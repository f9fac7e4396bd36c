//! Merged changes: they have the bits of the row's merge, are the same on both sides, and are valid changes themselves.

use proptest::prelude::*;
use vectr_delta::changes::{MERGED, merge, resolve};
use vectr_delta::{
    Dot, Metadata, Payload, Row, Sibling, SiteId, Strategy as Shown, Timestamp, VersionVector,
};

use super::heads::heads;
use super::model::{Change, Delta, delta, meaning};
use crate::support::draw::Draw;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_merged_change_has_the_bits_of_the_rows_merge(seed: u64) {
        let delta = delta(&mut Draw::new(seed), 9);
        let merged = Delta::from_flat(merge(delta.flat().borrowed()).unwrap().borrowed());
        let groups = heads(&delta);
        prop_assert_eq!(merged.changes.len(), groups.len());
        for (change, versions) in merged.changes.iter().zip(groups.values()) {
            let Some(view) = Shown::Merge.view(&row(versions)) else {
                prop_assert!(!change.is_live());
                continue;
            };
            let bits: Vec<u8> = change.vector.iter().flat_map(|component| component.to_le_bytes()).collect();
            prop_assert_eq!(bits.as_slice(), view.vector.as_ref());
            prop_assert_eq!(change.metadata.as_deref(), view.metadata.as_ref().map(Metadata::as_str));
            prop_assert_eq!(change.timestamp, view.timestamp.as_micros());
        }
    }

    #[test]
    fn both_sides_merge_to_the_same_change_and_it_supersedes_what_it_merged(seed: u64) {
        let mut draw = Draw::new(seed);
        let delta = delta(&mut draw, 9);
        let merged = Delta::from_flat(merge(delta.flat().borrowed()).unwrap().borrowed());
        let mut turned = delta.clone();
        draw.shuffle(&mut turned.changes);
        let again = Delta::from_flat(merge(turned.flat().borrowed()).unwrap().borrowed());
        for (one, other) in merged.changes.iter().zip(&again.changes) {
            prop_assert_eq!(without_local_id(one), without_local_id(other));
        }
        // Resolved together with the changes that they merged, only the merged ones remain.
        let mut both = delta.clone();
        both.changes.extend(merged.changes.clone());
        let stands = heads(&both);
        for (change, (id, versions)) in merged.changes.iter().zip(heads(&delta)) {
            if change.source == "merge" {
                prop_assert_eq!(&stands[&id], &vec![change.clone()]);
                let unseen = versions.iter().filter(|version| !change.has_seen(&version.number()));
                prop_assert_eq!(unseen.count(), 0);
            }
        }
    }

    #[test]
    fn a_third_version_conflicts_with_the_merged_change(seed: u64) {
        let mut draw = Draw::new(seed);
        let delta = delta(&mut draw, 9);
        let mut merged = Delta::from_flat(merge(delta.flat().borrowed()).unwrap().borrowed());
        merged.changes.retain(|change| change.source == "merge");
        if merged.changes.is_empty() {
            return Ok(());
        }
        let mut third = merged.changes[0].clone();
        third.source = "someone".into();
        third.history = vec![("someone".into(), 1)];
        third.dot = None;
        merged.changes.truncate(1);
        merged.changes.push(third);
        let verdict = resolve(merged.flat().borrowed(), Shown::Merge).unwrap();
        prop_assert_eq!(&verdict.groups[..2], [MERGED, 2]);
        let joined = Delta::from_flat(merge(merged.flat().borrowed()).unwrap().borrowed());
        prop_assert!(merged.changes.iter().all(|version| joined.changes[0].has_seen(&version.number())));
        prop_assert_ne!(&joined.changes[0].dot, &merged.changes[0].dot);
    }
}

fn without_local_id(change: &Change) -> Change {
    Change { id: 0, ..change.clone() }
}

/// A row of these versions; keys that are not sites are ordered after them.
fn row(versions: &[Change]) -> Row {
    let mut keys: Vec<String> = versions.iter().map(|version| version.number().0).collect();
    keys.sort();
    let siblings = versions.iter().map(|version| {
        let (key, seq) = version.number();
        assert_eq!(meaning(&key[1..]), key);
        let dot = Dot { site: SiteId::new(keys.iter().position(|known| *known == key).unwrap() as u64), seq };
        let stamp = Timestamp::from_micros(version.timestamp);
        if !version.is_live() {
            return Sibling::tombstone(dot, stamp);
        }
        let metadata = version.metadata.as_deref().map(|text| Metadata::new(text).unwrap());
        Sibling::put(dot, stamp, false, Payload::from_components(&version.vector, metadata).unwrap())
    });
    Row::new(siblings.collect(), VersionVector::new()).unwrap()
}
