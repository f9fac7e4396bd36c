//! Parses and validates the flat form.

use crate::json;
use crate::model::first_not_finite;
use crate::{
    DeltaError, Dimensions, MAX_SAFE_INTEGER, Metadata, Operation, ShardId, VectorId, VersionVector,
};

use crate::changes::change::{Change, Changes};
use crate::changes::flat::{COLUMNS, FlatRef, HEADER, MAX_ENTRIES, MAX_FLAT, MAX_KEYS};
use crate::changes::key::{self, Keys};

/// What metadata must be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetadataRule {
    /// A JSON object each.
    Objects,
    /// Any JSON value each.
    Values,
    /// Any line. It is only compared here; its origin or its destination checks it.
    Compared,
}

/// Parses the flat form and checks all of its rules.
///
/// # Errors
/// `ERR_ARGUMENT`, `ERR_LIMIT`, `ERR_DIMENSIONS` or `ERR_VECTOR`.
pub(crate) fn parse(flat: FlatRef<'_>, rule: MetadataRule) -> Result<Changes<'_>, DeltaError> {
    let changes = parse_to_hash(flat, rule)?;
    check_finite(flat.vectors, &changes.list)?;
    Ok(changes)
}

/// Like [`parse`], but leaves it to the caller to check that components are finite while hashing them, in one pass over
/// the memory.
pub(crate) fn parse_to_hash(flat: FlatRef<'_>, rule: MetadataRule) -> Result<Changes<'_>, DeltaError> {
    let numbers = Numbers::split(flat.numbers)?;
    let lines = Lines::split(flat.text, &numbers)?;
    let omits_vectors =
        flat.vectors.is_empty() && numbers.columns[DIMENSIONS].iter().any(|count| *count > 0.0);
    let mut list = Vec::with_capacity(numbers.changes);
    let mut metadata = lines.metadata.iter();
    let (mut entries_before, mut components_before) = (0, 0);
    for (index, vector_id) in lines.ids.iter().enumerate() {
        let at = |column: usize| whole("number of a change", numbers.columns[column][index]);
        let entries = at(CONTEXT_ENTRIES)?;
        let dimensions = dimensions(at(DIMENSIONS)?)?;
        let entries_after = entries_before + entries;
        if entries > VersionVector::MAX_SITES as u64 || entries_after > numbers.entries as u64 {
            return Err(at_change("contextEntries", index, "has more context entries than there are"));
        }
        let vector = if omits_vectors { &[] } else { slice(flat.vectors, components_before, dimensions)? };
        components_before += dimensions as usize;
        let operation =
            u8::try_from(at(OPERATION)?).ok().and_then(Operation::from_byte).ok_or_else(|| {
                at_change("operation", index, "has an unknown operation: give 1 insert, 2 update or 3 delete")
            })?;
        if operation == Operation::Delete && dimensions > 0 {
            return Err(at_change("vector", index, "is a delete and cannot have a vector"));
        }
        list.push(Change {
            vector_id,
            id: at(CHANGE_ID)?,
            timestamp: at(TIMESTAMP)?,
            operation,
            source: numbers.key("source", at(SOURCE)?)?,
            dot: numbers.dot(index)?,
            entries: entries_before as u32..entries_after as u32,
            dimensions,
            vector,
            metadata: match at(HAS_METADATA)? {
                0 => None,
                1 => metadata.next().copied(),
                _ => return Err(at_change("hasMetadata", index, "must have 0 or 1")),
            },
        });
        entries_before = entries_after;
    }
    if entries_before != numbers.entries as u64 {
        return Err(instead_of("context entries", entries_before as usize, numbers.entries));
    }
    if !omits_vectors && components_before * 4 != flat.vectors.len() {
        return Err(instead_of("bytes of the vectors", flat.vectors.len(), components_before * 4));
    }
    for text in &lines.metadata {
        check_metadata(text, rule)?;
    }
    let changes = Changes {
        shard: lines.shard,
        from: numbers.from,
        to: numbers.to,
        timestamp: numbers.timestamp,
        keys: Keys::default(),
        entries: numbers.entries()?,
        list,
        omits_vectors,
        was_canonical: false,
    };
    changes.canonicalize(&lines.keys)
}

/// The numbers, split into header and columns.
struct Numbers<'a> {
    changes: usize,
    keys: usize,
    entries: usize,
    from: u64,
    to: u64,
    timestamp: u64,
    columns: [&'a [f64]; COLUMNS],
    context_sites: &'a [f64],
    context_seqs: &'a [f64],
}

impl<'a> Numbers<'a> {
    fn split(numbers: &'a [f64]) -> Result<Self, DeltaError> {
        let Some((header, rest)) = numbers.split_first_chunk::<HEADER>() else {
            return Err(instead_of("numbers", numbers.len(), HEADER));
        };
        let changes = count("changes", header[0], MAX_FLAT)?;
        let keys = count("keys", header[1], MAX_KEYS)?;
        let entries = count("context entries", header[2], MAX_ENTRIES)?;
        let expected = COLUMNS * changes + 2 * entries;
        if rest.len() != expected {
            return Err(instead_of("numbers", numbers.len(), HEADER + expected));
        }
        let (columns, context) = rest.split_at(COLUMNS * changes);
        let (context_sites, context_seqs) = context.split_at(entries);
        Ok(Self {
            changes,
            keys,
            entries,
            from: whole("fromChangeId", header[3])?,
            to: whole("toChangeId", header[4])?,
            timestamp: whole("timestamp", header[5])?,
            columns: std::array::from_fn(|index| &columns[index * changes..(index + 1) * changes]),
            context_sites,
            context_seqs,
        })
    }

    fn key(&self, what: &'static str, index: u64) -> Result<u32, DeltaError> {
        if index >= self.keys as u64 {
            return Err(instead_of(what, index as usize, self.keys));
        }
        Ok(index as u32)
    }

    fn dot(&self, index: usize) -> Result<Option<(u32, u64)>, DeltaError> {
        let seq = whole("dotSeq", self.columns[DOT_SEQ][index])?;
        let site = self.columns[DOT_SITE][index];
        if site == -1.0 && seq == 0 {
            return Ok(None);
        }
        if site == -1.0 || seq == 0 {
            return Err(at_change("dot", index, "has only half of a dot"));
        }
        Ok(Some((self.key("dotSite", whole("dotSite", site)?)?, seq)))
    }

    fn entries(&self) -> Result<Vec<(u32, u64)>, DeltaError> {
        let mut entries = Vec::with_capacity(self.entries);
        for (site, seq) in self.context_sites.iter().zip(self.context_seqs) {
            entries.push((self.key("site", whole("site", *site)?)?, whole("sequence number", *seq)?));
        }
        Ok(entries)
    }
}

/// The text, split into lines.
struct Lines<'a> {
    shard: &'a str,
    ids: Vec<&'a str>,
    keys: Vec<&'a str>,
    metadata: Vec<&'a str>,
}

impl<'a> Lines<'a> {
    fn split(text: &'a str, numbers: &Numbers<'_>) -> Result<Self, DeltaError> {
        let given = numbers.columns[HAS_METADATA].iter().filter(|flag| **flag == 1.0).count();
        let expected = 1 + numbers.changes + numbers.keys + given;
        let mut lines = text.split('\n');
        let mut taken = 0;
        let mut take = |count: usize, what: &'static str, max: usize| {
            let mut list = Vec::with_capacity(count);
            for line in lines.by_ref().take(count) {
                if max > 0 {
                    key::check_name(what, line, max)?;
                }
                list.push(line);
            }
            taken += list.len();
            Ok(list)
        };
        let shard = take(1, "shard id", ShardId::MAX_BYTES)?;
        let ids = take(numbers.changes, "vector id", VectorId::MAX_BYTES)?;
        let keys = take(numbers.keys, "key", key::MAX_BYTES)?;
        let metadata = take(given, "metadata", 0)?;
        if taken != expected || lines.next().is_some() {
            let found = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
            return Err(instead_of("lines of the text", found, expected));
        }
        Ok(Self { shard: shard[0], ids, keys, metadata })
    }
}

fn slice(vectors: &[u8], before: usize, dimensions: u32) -> Result<&[u8], DeltaError> {
    let end = (before + dimensions as usize) * 4;
    vectors.get(before * 4..end).ok_or_else(|| instead_of("bytes of the vectors", vectors.len(), end))
}

/// One pass over all vectors; the vector is looked for only if a component is wrong.
fn check_finite(vectors: &[u8], list: &[Change<'_>]) -> Result<(), DeltaError> {
    if first_not_finite(vectors).is_none() {
        return Ok(());
    }
    let wrong = list.iter().find_map(|change| first_not_finite(change.vector));
    wrong.map_or(Ok(()), |index| Err(DeltaError::NotFinite { index }))
}

fn check_metadata(text: &str, rule: MetadataRule) -> Result<(), DeltaError> {
    if text.len() > Metadata::MAX_BYTES {
        return Err(DeltaError::MetadataSize { bytes: text.len() });
    }
    match rule {
        MetadataRule::Compared => Ok(()),
        MetadataRule::Objects => Metadata::check(text),
        MetadataRule::Values => {
            json::check_value(text).map_err(|reason| DeltaError::MetadataSyntax { reason })
        }
    }
}

fn dimensions(count: u64) -> Result<u32, DeltaError> {
    if count > u64::from(Dimensions::MAX) {
        return Err(DeltaError::DimensionRange { count });
    }
    Ok(count as u32)
}

fn count(what: &'static str, number: f64, limit: usize) -> Result<usize, DeltaError> {
    let size = whole(what, number)?;
    if size > limit as u64 {
        return Err(DeltaError::Limit { what, size, limit: limit as u64 });
    }
    Ok(size as usize)
}

/// Converts an integer from 0 to 2^53 - 1.
#[cfg_attr(target_arch = "wasm32", inline(never))]
pub(crate) fn whole(what: &'static str, number: f64) -> Result<u64, DeltaError> {
    // The cast saturates and turns NaN into 0, so only integers survive the round trip.
    let whole = number as u64;
    if whole as f64 != number || whole > MAX_SAFE_INTEGER {
        return Err(argument(what, format!("give an integer from 0 to {MAX_SAFE_INTEGER}")));
    }
    Ok(whole)
}

/// Out of line, as each place that formats an error adds its code to the browser's module.
#[cold]
#[inline(never)]
fn at_change(what: &'static str, index: usize, fault: &'static str) -> DeltaError {
    argument(what, format!("change {index} {fault}"))
}

#[cold]
#[inline(never)]
fn instead_of(what: &'static str, found: usize, expected: usize) -> DeltaError {
    argument(what, format!("{found} instead of {expected}"))
}

pub(crate) const fn argument(what: &'static str, reason: String) -> DeltaError {
    DeltaError::Argument { what, reason }
}

const CHANGE_ID: usize = 0;
const OPERATION: usize = 1;
const TIMESTAMP: usize = 2;
const SOURCE: usize = 3;
const DOT_SITE: usize = 4;
const DOT_SEQ: usize = 5;
const CONTEXT_ENTRIES: usize = 6;
const DIMENSIONS: usize = 7;
const HAS_METADATA: usize = 8;
