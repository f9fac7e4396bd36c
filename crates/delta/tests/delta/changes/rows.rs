//! The versions of one row, exported as changes.

use proptest::prelude::*;
use vectr_delta::changes::{merge, resolve};
use vectr_delta::{ConflictId, Metadata, Row, ShardId, Sibling, SiteId, Strategy as Shown, VectorId};

use super::model::{Change, Delta};
use crate::support::draw::Draw;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn all_versions_of_a_row_are_heads_as_changes(seed: u64) {
        let mut draw = Draw::new(seed);
        let row = draw.any_row(6);
        let mut delta = Delta::of(row.siblings().iter().map(|version| change(&row, version)).collect());
        draw.shuffle(&mut delta.changes);
        let verdict = resolve(delta.flat().borrowed(), Shown::LastWriteWins).unwrap();
        prop_assert_eq!(verdict.groups[1] as usize, row.siblings().len());
        // Contents are not compared here: what are only twins in a row counts as a conflict.
        if row.is_conflict() || row.siblings().len() == 1 {
            let ids = ConflictId::of(&ShardId::new("notes").unwrap(), &VectorId::new("v").unwrap(), &row);
            prop_assert_eq!(verdict.ids, ids.map(|id| id.to_string()).unwrap_or_default());
        }
        prop_assert!(merge_of(&delta) == merged_view(&row));
    }

    #[test]
    fn twins_weigh_in_a_merged_change_as_in_the_merged_view(seed: u64) {
        let mut draw = Draw::new(seed);
        let drawn = draw.any_row(4);
        // Each version is written anew by up to two other lives.
        let mut siblings = drawn.siblings().to_vec();
        for version in drawn.siblings() {
            for life in 0..draw.below(3) {
                let dot = vectr_delta::Dot { site: SiteId::new(100 + life), seq: siblings.len() as u64 };
                siblings.push(match version.payload() {
                    Some(payload) => Sibling::put(dot, version.timestamp(), draw.coin(), payload.clone()),
                    None => Sibling::tombstone(dot, version.timestamp()),
                });
            }
        }
        let row = Row::new(siblings, drawn.context().clone()).unwrap();
        let mut delta = Delta::of(row.siblings().iter().map(|version| change(&row, version)).collect());
        draw.shuffle(&mut delta.changes);
        prop_assert!(merge_of(&delta) == merged_view(&row));
    }

    #[test]
    fn a_history_is_the_context_without_the_other_siblings(seed: u64) {
        let row = Draw::new(seed).any_row(6);
        for version in row.siblings() {
            let history = row.history(version.dot()).unwrap();
            prop_assert!(row.context().covers_all(&history));
            for other in row.siblings().iter().filter(|other| other.dot() != version.dot()) {
                prop_assert!(!history.covers(other.dot()));
                let unseen = vectr_delta::Dot { site: other.dot().site, seq: other.dot().seq + 1_000_000 };
                prop_assert_eq!(row.history(unseen), None);
            }
        }
    }
}

/// The components of the one change that a delta merges to, none for a tombstone.
fn merge_of(delta: &Delta) -> Vec<u8> {
    let merged = Delta::from_flat(merge(delta.flat().borrowed()).unwrap().borrowed());
    merged.changes[0].vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The components that a row shows under merge, none for a deleted vector.
fn merged_view(row: &Row) -> Vec<u8> {
    Shown::Merge.view(row).map(|view| view.vector.to_vec()).unwrap_or_default()
}

fn change(row: &Row, version: &Sibling) -> Change {
    let name = |site: vectr_delta::SiteId| format!("node@{site}");
    Change {
        id: 1,
        operation: version.operation() as u8,
        vector_id: "v".into(),
        vector: version.payload().map(|payload| payload.components().collect()).unwrap_or_default(),
        metadata: version
            .payload()
            .and_then(|payload| payload.metadata())
            .map(Metadata::as_str)
            .map(str::to_owned),
        timestamp: version.timestamp().as_micros(),
        source: "node".into(),
        history: row.history(version.dot()).unwrap().iter().map(|(site, seq)| (name(site), seq)).collect(),
        dot: Some((name(version.dot().site), version.dot().seq)),
    }
}
