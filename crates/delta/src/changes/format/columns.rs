//! Converts the columns of a delta between MessagePack and the flat form.

use crate::{DeltaError, MAX_SAFE_INTEGER, VersionVector};

use super::msgpack::{Reader, malformed, write_list_head, write_number, write_text_head};
use crate::changes::change::{Change, Changes};
use crate::changes::flat::{COLUMNS, Flat, HEADER, MAX_CHANGES, MAX_ENTRIES};

impl Changes<'_> {
    /// The MessagePack list `[from, to, text, keys, nine columns, contextSites, contextSeqs]`.
    ///
    /// # Errors
    /// `ERR_LIMIT` if a delta cannot hold all of it.
    pub(crate) fn write_columns(&self) -> Result<Vec<u8>, DeltaError> {
        let longest = self.list.iter().map(|change| change.entries.len()).max().unwrap_or_default();
        let limits = [
            ("changes", self.list.len(), MAX_CHANGES),
            ("context entries", self.entries.len(), MAX_ENTRIES),
            ("context entries of a change", longest, VersionVector::MAX_SITES),
        ];
        for (what, size, limit) in limits {
            if size > limit {
                return Err(DeltaError::Limit { what, size: size as u64, limit: limit as u64 });
            }
        }
        let text = self.text();
        let mut out = Vec::with_capacity(text.len() + 32 * self.list.len() + 6 * self.entries.len() + 64);
        write_list_head(&mut out, FIELDS);
        write_number(&mut out, self.from);
        write_number(&mut out, self.to);
        write_text_head(&mut out, text.len());
        out.extend_from_slice(text.as_bytes());
        write_number(&mut out, self.keys.texts.len() as u64);
        for column in 0..COLUMNS {
            write_list_head(&mut out, self.list.len());
            for change in &self.list {
                write_number(&mut out, field(change, column));
            }
        }
        write_list_head(&mut out, self.entries.len());
        for change in &self.list {
            self.history(change).iter().for_each(|(key, _)| write_number(&mut out, u64::from(*key)));
        }
        write_list_head(&mut out, self.entries.len());
        for change in &self.list {
            self.history(change).iter().for_each(|(_, seq)| write_number(&mut out, *seq));
        }
        Ok(out)
    }

    /// The flat form, with vectors.
    pub(crate) fn to_flat(&self) -> Flat {
        let mut numbers = Vec::with_capacity(HEADER + COLUMNS * self.list.len() + 2 * self.entries.len());
        let counts = [self.list.len(), self.keys.texts.len(), self.entries.len()];
        numbers.extend(counts.map(|count| count as f64));
        numbers.extend([self.from, self.to, self.timestamp].map(|number| number as f64));
        for column in 0..COLUMNS {
            let shift = if column == DOT_SITE { 1.0 } else { 0.0 };
            numbers.extend(self.list.iter().map(|change| field(change, column) as f64 - shift));
        }
        let histories = || self.list.iter().flat_map(|change| self.history(change));
        numbers.extend(histories().map(|(key, _)| f64::from(*key)));
        numbers.extend(histories().map(|(_, seq)| *seq as f64));
        let mut vectors = Vec::with_capacity(self.list.iter().map(|change| change.vector.len()).sum());
        self.list.iter().for_each(|change| vectors.extend_from_slice(change.vector));
        Flat { numbers, text: self.text(), vectors }
    }

    fn text(&self) -> String {
        let ids = self.list.iter().map(|change| change.vector_id);
        let metadata = self.list.iter().filter_map(|change| change.metadata);
        let lines = ids.chain(self.keys.texts.iter().copied()).chain(metadata);
        let mut text =
            String::with_capacity(self.shard.len() + lines.clone().map(|line| line.len() + 1).sum::<usize>());
        text.push_str(self.shard);
        for line in lines {
            text.push('\n');
            text.push_str(line);
        }
        text
    }
}

/// The value of one column for one change.
fn field(change: &Change<'_>, column: usize) -> u64 {
    match column {
        0 => change.id,
        1 => change.operation as u64,
        2 => change.timestamp,
        3 => u64::from(change.source),
        // 0 means no dot, so that no number is negative.
        DOT_SITE => change.dot.map_or(0, |(key, _)| u64::from(key) + 1),
        5 => change.dot.map_or(0, |(_, seq)| seq),
        6 => u64::from(change.entries.end - change.entries.start),
        7 => u64::from(change.dimensions),
        _ => u64::from(change.metadata.is_some()),
    }
}

/// Reads columns into the numbers and the text of the flat form. Checks only the encoding and the limits of counts, not
/// the changes.
pub(crate) fn read_columns(bytes: &[u8], timestamp: u64) -> Result<(Vec<f64>, &str), DeltaError> {
    let mut reader = Reader(bytes);
    if reader.list_head()? != FIELDS {
        return Err(malformed("its number of columns is wrong"));
    }
    let (from, to) = (reader.number()?, reader.number()?);
    let text = reader.text()?;
    let keys = reader.number()?;
    let changes = length(&mut reader, "changes", MAX_CHANGES)?;
    // Each number takes at least a byte, so a hostile length cannot reserve more than eight times the input.
    let mut numbers = Vec::with_capacity(HEADER + (COLUMNS * changes).min(bytes.len()) + reader.0.len() / 4);
    numbers.extend([changes as f64, keys as f64, 0.0, from as f64, to as f64, timestamp as f64]);
    for column in 0..COLUMNS {
        if column > 0 && length(&mut reader, "changes", MAX_CHANGES)? != changes {
            return Err(malformed("its columns differ in length"));
        }
        let shift = if column == DOT_SITE { 1.0 } else { 0.0 };
        read_list(&mut reader, changes, shift, &mut numbers)?;
    }
    let entries = length(&mut reader, "context entries", MAX_ENTRIES)?;
    numbers[2] = entries as f64;
    read_list(&mut reader, entries, 0.0, &mut numbers)?;
    if length(&mut reader, "context entries", MAX_ENTRIES)? != entries {
        return Err(malformed("its columns differ in length"));
    }
    read_list(&mut reader, entries, 0.0, &mut numbers)?;
    if !reader.0.is_empty() {
        return Err(malformed("it has bytes after the last column"));
    }
    Ok((numbers, text))
}

fn length(reader: &mut Reader<'_>, what: &'static str, limit: usize) -> Result<usize, DeltaError> {
    let length = reader.list_head()?;
    if length > limit {
        return Err(DeltaError::Limit { what, size: length as u64, limit: limit as u64 });
    }
    Ok(length)
}

fn read_list(
    reader: &mut Reader<'_>,
    length: usize,
    shift: f64,
    out: &mut Vec<f64>,
) -> Result<(), DeltaError> {
    for _ in 0..length {
        let number = reader.number()?;
        // f64 would round greater numbers.
        if number > MAX_SAFE_INTEGER {
            return Err(DeltaError::Number { what: "number of a delta", value: number });
        }
        out.push(number as f64 - shift);
    }
    Ok(())
}

const FIELDS: usize = 4 + COLUMNS + 2;
const DOT_SITE: usize = 4;
