use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes as Bin};

use super::{Batch, malformed};
use crate::{DeltaError, Dot, Metadata, NodeName, Row, Sibling, SiteId, VectorRow, VersionVector, bounded};

/// A batch column by column. Sites are indices into `sites`.
#[derive(Serialize, Deserialize)]
pub(super) struct Columns<'a> {
    pub(super) nonce: u64,
    pub(super) index: u64,
    pub(super) position: u64,
    pub(super) frontier: VersionVector,
    #[serde(borrow, deserialize_with = "bounded::list::<_, _, MAX_SITES>")]
    pub(super) sites: Vec<(u64, Option<&'a str>)>,
    #[serde(borrow, deserialize_with = "bounded::list::<_, _, { Batch::MAX_ROWS }>")]
    pub(super) ids: Vec<&'a str>,
    /// The number of siblings of each row; empty if every row has one.
    #[serde(deserialize_with = "bounded::list::<_, _, { Batch::MAX_ROWS }>")]
    pub(super) siblings: Vec<u16>,
    #[serde(borrow)]
    pub(super) operations: Cow<'a, Bin>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_SIBLINGS>")]
    pub(super) dot_sites: Vec<u32>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_SIBLINGS>")]
    pub(super) dot_seqs: Vec<u64>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_SIBLINGS>")]
    pub(super) timestamps: Vec<u64>,
    /// The number of context entries of each row that its own dots do not imply; empty if no row has any.
    #[serde(deserialize_with = "bounded::list::<_, _, { Batch::MAX_ROWS }>")]
    pub(super) contexts: Vec<u32>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_CONTEXT_ENTRIES>")]
    pub(super) context_sites: Vec<u32>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_CONTEXT_ENTRIES>")]
    pub(super) context_seqs: Vec<u64>,
    /// JSON text of each put; empty if no put has any.
    #[serde(borrow, deserialize_with = "bounded::list::<_, _, MAX_SIBLINGS>")]
    pub(super) metadata: Vec<Option<&'a str>>,
    /// The number of components of each put; a single number if all are equal.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_SIBLINGS>")]
    pub(super) dimensions: Vec<u32>,
}

/// Former builds put rows together that have more sites than one row may have.
const MAX_SITES: usize = 2 * VersionVector::MAX_SITES;
const MAX_SIBLINGS: usize = 1 << 20;
const MAX_CONTEXT_ENTRIES: usize = 1 << 22;

impl<'a> Columns<'a> {
    pub(super) fn of(batch: &'a Batch) -> Self {
        let mut sites = SiteTable::default();
        let mut columns = Self {
            nonce: batch.nonce,
            index: batch.index,
            position: batch.position,
            frontier: batch.frontier.clone(),
            sites: Vec::new(),
            ids: batch.rows.iter().map(|entry| entry.id.as_str()).collect(),
            siblings: Vec::new(),
            operations: Cow::Borrowed(Bin::new(&[])),
            dot_sites: Vec::with_capacity(batch.rows.len()),
            dot_seqs: Vec::with_capacity(batch.rows.len()),
            timestamps: Vec::with_capacity(batch.rows.len()),
            contexts: Vec::new(),
            context_sites: Vec::new(),
            context_seqs: Vec::new(),
            metadata: Vec::new(),
            dimensions: Vec::new(),
        };
        let mut operations = Vec::with_capacity(batch.rows.len());
        for VectorRow { row, .. } in &batch.rows {
            for sibling in row.siblings() {
                operations.push(sibling.operation() as u8);
                columns.add_sibling(sibling, &mut sites);
            }
            columns.siblings.push(row.siblings().len() as u16);
            columns.add_context(row, &mut sites);
        }
        columns.operations = Cow::Owned(ByteBuf::from(operations));
        columns.drop_defaults();
        columns.sites = sites.named(&batch.names);
        columns
    }

    /// Appends the columns as MessagePack.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) -> Result<(), DeltaError> {
        self.serialize(&mut rmp_serde::Serializer::new(buffer)).map_err(malformed)
    }

    fn add_sibling(&mut self, sibling: &'a Sibling, sites: &mut SiteTable) {
        self.dot_sites.push(sites.index(sibling.dot().site));
        self.dot_seqs.push(sibling.dot().seq);
        self.timestamps.push(sibling.timestamp().as_micros());
        if let Some(payload) = sibling.payload() {
            self.metadata.push(payload.metadata().map(Metadata::as_str));
            self.dimensions.push(payload.dimensions().into());
        }
    }

    fn add_context(&mut self, row: &Row, sites: &mut SiteTable) {
        let before = self.context_sites.len();
        for (site, seq) in row.context().iter() {
            let implied = row.siblings().iter().map(Sibling::dot).any(|dot| dot == Dot { site, seq });
            if !implied {
                self.context_sites.push(sites.index(site));
                self.context_seqs.push(seq);
            }
        }
        self.contexts.push((self.context_sites.len() - before) as u32);
    }

    fn drop_defaults(&mut self) {
        if self.siblings.iter().all(|count| *count == 1) {
            self.siblings.clear();
        }
        if self.context_sites.is_empty() {
            self.contexts.clear();
        }
        if self.metadata.iter().all(Option::is_none) {
            self.metadata.clear();
        }
        if self.dimensions.windows(2).all(|pair| pair[0] == pair[1]) {
            self.dimensions.truncate(1);
        }
    }
}

#[derive(Default)]
struct SiteTable {
    sites: Vec<SiteId>,
    indices: BTreeMap<SiteId, u32>,
}

impl SiteTable {
    fn index(&mut self, site: SiteId) -> u32 {
        if let Some(last) = self.sites.last().filter(|last| **last == site) {
            return self.indices[last];
        }
        let next = self.sites.len() as u32;
        let index = *self.indices.entry(site).or_insert(next);
        if index == next {
            self.sites.push(site);
        }
        index
    }

    fn named(self, names: &BTreeMap<SiteId, NodeName>) -> Vec<(u64, Option<&str>)> {
        self.sites.iter().map(|site| (site.number(), names.get(site).map(NodeName::as_str))).collect()
    }
}
