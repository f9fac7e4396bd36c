//! The versions of one row, exported as changes.

use proptest::prelude::*;
use vectr_delta::changes::{merge, resolve};
use vectr_delta::{ConflictId, Metadata, Row, ShardId, Sibling, Strategy as Shown, VectorId};

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
        let ids = ConflictId::of(&ShardId::new("notes").unwrap(), &VectorId::new("v").unwrap(), &row);
        prop_assert_eq!(verdict.ids, ids.map(|id| id.to_string()).unwrap_or_default());
        let merged = Delta::from_flat(merge(delta.flat().borrowed()).unwrap().borrowed());
        if let Some(view) = Shown::Merge.view(&row) {
            let bits: Vec<u8> = merged.changes[0].vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            prop_assert_eq!(bits.as_slice(), view.vector.as_ref());
        }
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
