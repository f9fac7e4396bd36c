use std::collections::BTreeMap;

use crate::{Held, Timestamp, VectorRow};

/// What the peer is told of its rows that were refused.
pub(in crate::replica) struct HeldMessages {
    wall: Timestamp,
    by_code: BTreeMap<&'static str, Held>,
}

impl HeldMessages {
    pub(in crate::replica) const fn new(wall: Timestamp) -> Self {
        Self { wall, by_code: BTreeMap::new() }
    }

    pub(in crate::replica) fn add(&mut self, code: &'static str, entry: &VectorRow) {
        let held = self.by_code.entry(code).or_insert_with(|| Held {
            code: code.to_owned(),
            rows: 0,
            shown: Vec::new(),
            newest: Timestamp::default(),
            clock: self.wall,
        });
        held.rows += 1;
        held.newest = held.newest.max(entry.row.newest());
        if held.shown.len() < Held::MAX_SHOWN {
            held.shown.push(entry.id.clone());
        }
    }

    pub(in crate::replica) fn into_messages(self) -> impl Iterator<Item = Held> {
        self.by_code.into_values()
    }
}
