use std::collections::BTreeMap;

use bytes::Bytes;

use super::columns::Columns;
use super::{Batch, malformed};
use crate::{
    DeltaError, Dimensions, Dot, MAX_SAFE_INTEGER, Metadata, NodeName, Operation, Payload, Row, Sibling,
    SiteId, Timestamp, VectorId, VectorRow, VersionVector,
};

/// Assembles a batch from its columns and the vectors after them.
pub(super) fn read_batch(columns: &Columns<'_>, vectors: Bytes) -> Result<Batch, DeltaError> {
    let mut names = BTreeMap::new();
    let mut sites = Vec::with_capacity(columns.sites.len());
    for (site, name) in &columns.sites {
        let site = SiteId::new(*site);
        sites.push(site);
        if let Some(name) = name {
            names.insert(site, NodeName::new(name)?);
        }
    }
    for (what, value) in [("batch index", columns.index), ("position", columns.position)] {
        safe(what, value)?;
    }
    let mut reader = Reader::new(columns, &sites, vectors)?;
    let mut rows = Vec::with_capacity(columns.ids.len());
    for (index, id) in columns.ids.iter().enumerate() {
        rows.push(VectorRow { id: VectorId::new(id)?, row: reader.row(index)? });
    }
    reader.finish()?;
    Ok(Batch {
        nonce: columns.nonce,
        index: columns.index,
        position: columns.position,
        frontier: columns.frontier.clone(),
        names,
        rows,
    })
}

/// Reads the columns row by row.
struct Reader<'c> {
    columns: &'c Columns<'c>,
    sites: &'c [SiteId],
    vectors: Bytes,
    sibling: usize,
    put: usize,
    context: usize,
}

impl<'c> Reader<'c> {
    fn new(columns: &'c Columns<'c>, sites: &'c [SiteId], vectors: Bytes) -> Result<Self, DeltaError> {
        let rows = columns.ids.len();
        let siblings = columns.operations.len();
        let fits = [
            columns.siblings.is_empty() && siblings == rows || columns.siblings.len() == rows,
            columns.dot_sites.len() == siblings,
            columns.dot_seqs.len() == siblings,
            columns.timestamps.len() == siblings,
            columns.contexts.is_empty() && columns.context_sites.is_empty() || columns.contexts.len() == rows,
            columns.context_sites.len() == columns.context_seqs.len(),
        ];
        if fits.contains(&false) {
            return Err(malformed("its columns differ in length"));
        }
        Ok(Self { columns, sites, vectors, sibling: 0, put: 0, context: 0 })
    }

    fn row(&mut self, index: usize) -> Result<Row, DeltaError> {
        let count = self.columns.siblings.get(index).copied().unwrap_or(1);
        let mut siblings = Vec::with_capacity(usize::from(count).min(Row::MAX_SIBLINGS));
        for _ in 0..count {
            siblings.push(self.next_sibling()?);
        }
        let entries = self.columns.contexts.get(index).copied().unwrap_or(0);
        let entry = |reader: &mut Self| reader.next_entry().map(|dot| (dot.site, dot.seq));
        let context = (0..entries).map(|_| entry(self)).collect::<Result<VersionVector, _>>()?;
        let distinct = siblings.len();
        let row = Row::new(siblings, context).ok_or_else(|| malformed("a row without versions"))?;
        if row.siblings().len() != distinct {
            return Err(malformed("a row has a dot twice"));
        }
        Ok(row)
    }

    fn next_sibling(&mut self) -> Result<Sibling, DeltaError> {
        let at = self.sibling;
        self.sibling += 1;
        let columns = self.columns;
        let (Some(&operation), Some(&site), Some(&seq), Some(&timestamp)) = (
            columns.operations.get(at),
            columns.dot_sites.get(at),
            columns.dot_seqs.get(at),
            columns.timestamps.get(at),
        ) else {
            return Err(malformed("fewer versions than its rows count"));
        };
        let dot = self.dot(site, seq)?;
        let timestamp = Timestamp::try_from(timestamp)?;
        match Operation::from_byte(operation) {
            Some(Operation::Delete) => Ok(Sibling::tombstone(dot, timestamp)),
            Some(put) => Ok(Sibling::put(dot, timestamp, put == Operation::Update, self.next_payload()?)),
            None => Err(malformed(format!("unknown operation {operation}"))),
        }
    }

    fn next_payload(&mut self) -> Result<Payload, DeltaError> {
        let at = self.put;
        self.put += 1;
        let columns = self.columns;
        let count = match columns.dimensions.as_slice() {
            [all] => *all,
            each => *each.get(at).ok_or_else(|| malformed("fewer dimensions than vectors"))?,
        };
        let length = Dimensions::try_from(count)?.bytes();
        if length > self.vectors.len() {
            return Err(malformed("its vectors end early"));
        }
        let metadata = match columns.metadata.get(at) {
            Some(text) => text.map(Metadata::from_checked),
            None if columns.metadata.is_empty() => None,
            None => return Err(malformed("less metadata than vectors")),
        };
        Ok(Payload::from_checked(self.vectors.split_to(length), metadata))
    }

    fn next_entry(&mut self) -> Result<Dot, DeltaError> {
        let at = self.context;
        self.context += 1;
        let (Some(&site), Some(&seq)) =
            (self.columns.context_sites.get(at), self.columns.context_seqs.get(at))
        else {
            return Err(malformed("fewer context entries than its rows count"));
        };
        self.dot(site, seq)
    }

    fn dot(&self, site: u32, seq: u64) -> Result<Dot, DeltaError> {
        let site = *self.sites.get(site as usize).ok_or_else(|| malformed("a site that is not listed"))?;
        if seq == 0 {
            return Err(malformed("a change number of 0"));
        }
        Ok(Dot { site, seq: safe("change number", seq)? })
    }

    fn finish(self) -> Result<(), DeltaError> {
        let columns = self.columns;
        let whole = self.sibling == columns.operations.len()
            && self.context == columns.context_sites.len()
            && self.vectors.is_empty()
            && (columns.metadata.is_empty() || columns.metadata.len() == self.put)
            && (columns.dimensions.len() <= 1 || columns.dimensions.len() == self.put);
        if whole { Ok(()) } else { Err(malformed("more content than its rows count")) }
    }
}

fn safe(what: &'static str, value: u64) -> Result<u64, DeltaError> {
    if value > MAX_SAFE_INTEGER { Err(DeltaError::Number { what, value }) } else { Ok(value) }
}
