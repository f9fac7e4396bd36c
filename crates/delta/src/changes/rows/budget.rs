use std::collections::BTreeSet;

use crate::{Metadata, Row, Sibling, SiteId, VectorRow, VersionVector};

use crate::changes::flat::{MAX_CHANGES, MAX_ENTRIES};
use crate::changes::format::Header;
use crate::changes::key;

/// The remaining capacity of a delta.
#[derive(Clone, Debug)]
pub struct DeltaBudget {
    changes: usize,
    entries: usize,
    bytes: usize,
    sites: BTreeSet<SiteId>,
}

impl Default for DeltaBudget {
    /// The capacity of an empty delta.
    fn default() -> Self {
        Self {
            changes: MAX_CHANGES,
            entries: MAX_ENTRIES,
            bytes: Header::MAX_RAW - HEAD,
            sites: BTreeSet::new(),
        }
    }
}

impl DeltaBudget {
    /// Reserves capacity for a row. Returns false and reserves nothing if it might not fit. Rows that were all reserved
    /// are within the limits of [`encode_rows`](crate::changes::encode_rows).
    pub fn take(&mut self, entry: &VectorRow) -> bool {
        let row = &entry.row;
        let changes = row.siblings().len();
        let entries = changes * (row.context().len() + 1);
        let new = row.context().iter().filter(|(site, _)| !self.sites.contains(site)).count();
        let keys = new * 2 * (key::MAX_BYTES + LINE);
        let bytes = changes * (entry.id.len() + LINE + COLUMNS) + entries * ENTRY + keys + contents(row);
        let fits = changes <= self.changes
            && entries <= self.entries
            && bytes <= self.bytes
            && row.context().len() < VersionVector::MAX_SITES;
        if fits {
            self.changes -= changes;
            self.entries -= entries;
            self.bytes -= bytes;
            self.sites.extend(row.context().iter().map(|(site, _)| site));
        }
        fits
    }
}

fn contents(row: &Row) -> usize {
    let payloads = row.siblings().iter().filter_map(Sibling::payload);
    let metadata = |text: &Metadata| text.as_str().len() + LINE;
    payloads.map(|payload| payload.vector().len() + payload.metadata().map_or(0, metadata)).sum()
}

/// The shard's id, the lengths of the lists and the other numbers.
const HEAD: usize = 1024;
/// The longest form of a number is nine bytes. Includes a key of its own, which siblings of one site need.
const COLUMNS: usize = 9 * 9 + 48;
const ENTRY: usize = 2 * 9;
const LINE: usize = 1;
