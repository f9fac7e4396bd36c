use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::Bytes as Bin;

use crate::{
    Codec, DeltaError, Dimensions, Dot, MAX_SAFE_INTEGER, Metadata, NodeName, Operation, Payload, Row,
    Sibling, SiteId, Timestamp, VectorId, VersionVector, bounded,
};

/// The position of a change in one database's changelog. Counts up by one for each row that changes; 0 is before
/// the first.
pub type ChangeId = u64;

/// A vector's id and the whole row that a shard holds for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorRow {
    /// Which vector.
    pub id: VectorId,
    /// Its versions and context.
    pub row: Row,
}

/// Whole rows on their way to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Batch {
    /// The receiver's, from its Hello: a batch of another session is none of this one's.
    pub nonce: u64,
    /// Counts the batches of the session from 0: a missing or doubled one is noticed.
    pub index: u64,
    /// The sender's changelog has been read up to here.
    pub position: ChangeId,
    /// The sender's collected frontier when the rows were read.
    pub frontier: VersionVector,
    /// What the sites in the rows are called.
    pub names: BTreeMap<SiteId, NodeName>,
    /// The rows, each vector once.
    pub rows: Vec<VectorRow>,
}

impl Batch {
    /// The most bytes of a decoded batch: more than any lawful row of 100 siblings has.
    pub const MAX_BYTES: usize = 64 << 20;
    /// The most rows.
    pub const MAX_ROWS: usize = 65_536;

    /// Appends `u8 codec | u32 raw length | packed`, where the unpacked bytes are
    /// `u32 columns length | columns (MessagePack) | vectors (little-endian f32)`.
    ///
    /// # Errors
    /// `ERR_LIMIT` where the batch is above 64 MiB or 65,536 rows.
    pub(crate) fn encode(&self, codec: &dyn Codec, buffer: &mut Vec<u8>) -> Result<(), DeltaError> {
        limit("rows of a batch", self.rows.len(), Self::MAX_ROWS)?;
        let start = buffer.len();
        buffer.resize(start + PREFIX, 0);
        let columns = Columns::of(self);
        write_columns(&columns, buffer)?;
        for payload in self.payloads() {
            buffer.extend_from_slice(payload.vector());
        }
        let raw = buffer.len() - start - PREFIX + 4;
        limit("batch", raw, Self::MAX_BYTES)?;
        let columns_length = raw - 4 - self.payloads().map(|payload| payload.vector().len()).sum::<usize>();
        buffer[start + 5..start + PREFIX].copy_from_slice(&(columns_length as u32).to_le_bytes());
        let packed = codec.pack(&buffer[start + 5..]);
        buffer[start] = packed.as_ref().map_or(0, |_| codec.id());
        buffer[start + 1..start + 5].copy_from_slice(&(raw as u32).to_le_bytes());
        if let Some(packed) = packed {
            buffer.truncate(start + 5);
            buffer.extend_from_slice(&packed);
        }
        Ok(())
    }

    /// Reads what [`Batch::encode`] wrote. Vectors stay slices of `bytes` where they were not compressed.
    ///
    /// Whether components are finite and metadata is JSON is not looked at here: a bad row must not block others.
    ///
    /// # Errors
    /// `ERR_PROTOCOL` or `ERR_LIMIT`; never a panic, and never an allocation that the bytes do not pay for.
    pub(crate) fn decode(codecs: &[&dyn Codec], mut bytes: Bytes) -> Result<Self, DeltaError> {
        let head = bytes.first_chunk::<5>().ok_or_else(|| malformed("it ends early"))?;
        let raw = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        limit("batch", raw, Self::MAX_BYTES)?;
        let codec = codecs.iter().find(|codec| codec.id() == head[0]);
        let codec = codec.ok_or_else(|| malformed(format!("unknown codec {}", head[0])))?;
        let body = codec.unpack(bytes.split_off(5), raw)?;
        let head = body.first_chunk::<4>().ok_or_else(|| malformed("it ends early"))?;
        let vectors_at = 4 + u32::from_le_bytes(*head) as usize;
        if vectors_at > body.len() {
            return Err(malformed("its columns end early"));
        }
        let columns: Columns<'_> = rmp_serde::from_slice(&body[4..vectors_at]).map_err(malformed)?;
        columns.rows(body.slice(vectors_at..))
    }

    fn payloads(&self) -> impl Iterator<Item = &Payload> {
        self.rows.iter().flat_map(|entry| entry.row.siblings()).filter_map(Sibling::payload)
    }
}

/// `u8 codec | u32 raw length | u32 columns length`.
const PREFIX: usize = 9;

/// A batch column by column. Sites are indices into `sites`.
#[derive(Serialize, Deserialize)]
struct Columns<'a> {
    nonce: u64,
    index: u64,
    position: u64,
    frontier: VersionVector,
    #[serde(borrow, deserialize_with = "bounded::list::<_, _, MAX_SITES>")]
    sites: Vec<(u64, Option<&'a str>)>,
    #[serde(borrow, deserialize_with = "bounded::list::<_, _, { Batch::MAX_ROWS }>")]
    ids: Vec<&'a str>,
    /// Siblings of each row; empty where every row has one.
    #[serde(deserialize_with = "bounded::list::<_, _, { Batch::MAX_ROWS }>")]
    siblings: Vec<u16>,
    #[serde(borrow)]
    operations: std::borrow::Cow<'a, Bin>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_SIBLINGS>")]
    dot_sites: Vec<u32>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_SIBLINGS>")]
    dot_seqs: Vec<u64>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_SIBLINGS>")]
    timestamps: Vec<u64>,
    /// Entries of each context beyond what the row's own dots say; empty where no row has any.
    #[serde(deserialize_with = "bounded::list::<_, _, { Batch::MAX_ROWS }>")]
    contexts: Vec<u32>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_CONTEXT_ENTRIES>")]
    context_sites: Vec<u32>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_CONTEXT_ENTRIES>")]
    context_seqs: Vec<u64>,
    /// JSON text of each put; empty where no put has any.
    #[serde(borrow, deserialize_with = "bounded::list::<_, _, MAX_SIBLINGS>")]
    metadata: Vec<Option<&'a str>>,
    /// Components of each put; one number where all are alike.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_SIBLINGS>")]
    dimensions: Vec<u32>,
}

const MAX_SITES: usize = VersionVector::MAX_SITES;
const MAX_SIBLINGS: usize = 1 << 20;
const MAX_CONTEXT_ENTRIES: usize = 1 << 22;

impl<'a> Columns<'a> {
    fn of(batch: &'a Batch) -> Self {
        let mut sites = SiteTable::default();
        let mut columns = Self {
            nonce: batch.nonce,
            index: batch.index,
            position: batch.position,
            frontier: batch.frontier.clone(),
            sites: Vec::new(),
            ids: batch.rows.iter().map(|entry| entry.id.as_str()).collect(),
            siblings: Vec::new(),
            operations: std::borrow::Cow::Borrowed(Bin::new(&[])),
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
        columns.operations = std::borrow::Cow::Owned(serde_bytes::ByteBuf::from(operations));
        columns.drop_defaults();
        columns.sites = sites.named(&batch.names);
        columns
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

    fn rows(&self, vectors: Bytes) -> Result<Batch, DeltaError> {
        let mut names = BTreeMap::new();
        let mut sites = Vec::with_capacity(self.sites.len());
        for (site, name) in &self.sites {
            let site = SiteId::new(*site);
            sites.push(site);
            if let Some(name) = name {
                names.insert(site, NodeName::new(name)?);
            }
        }
        for (what, value) in [("batch index", self.index), ("position", self.position)] {
            safe(what, value)?;
        }
        let mut reader = Reader::new(self, &sites, vectors)?;
        let mut rows = Vec::with_capacity(self.ids.len());
        for (index, id) in self.ids.iter().enumerate() {
            rows.push(VectorRow { id: VectorId::new(id)?, row: reader.row(index)? });
        }
        reader.finish()?;
        Ok(Batch {
            nonce: self.nonce,
            index: self.index,
            position: self.position,
            frontier: self.frontier.clone(),
            names,
            rows,
        })
    }
}

/// Walks through the columns, row by row.
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
            return Err(malformed("a dot stands twice in a row"));
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

fn write_columns(columns: &Columns<'_>, buffer: &mut Vec<u8>) -> Result<(), DeltaError> {
    columns
        .serialize(&mut rmp_serde::Serializer::new(buffer))
        .map_err(|error| DeltaError::Malformed { what: "batch", reason: error.to_string() })
}

fn safe(what: &'static str, value: u64) -> Result<u64, DeltaError> {
    if value > MAX_SAFE_INTEGER { Err(DeltaError::Number { what, value }) } else { Ok(value) }
}

fn limit(what: &'static str, size: usize, limit: usize) -> Result<(), DeltaError> {
    if size > limit {
        return Err(DeltaError::Limit { what, size: size as u64, limit: limit as u64 });
    }
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "callers hand over texts and errors alike")]
fn malformed(reason: impl ToString) -> DeltaError {
    DeltaError::Malformed { what: "batch", reason: reason.to_string() }
}
