use std::borrow::Cow;

use crate::DeltaError;
use crate::model::first_not_finite;

use super::checksum::{BLOCK, content_hash, to_text};
use super::compression::Compression;
use super::header::Header;
use super::section::{Mode, Section};
use crate::changes::change::Changes;
use crate::changes::flat::FlatRef;
use crate::changes::parse::{MetadataRule, argument, parse_to_hash};

/// Encodes a delta. Without compression, equal content gives equal bytes on every platform; the order of keys and of
/// the entries of a history does not matter.
///
/// # Errors
/// `ERR_CHECKSUM` if `expected` is given and is not the content's checksum; `ERR_CODEC` for a compression that this
/// build cannot write; `ERR_LIMIT` above 64 MiB or 65,536 changes; `ERR_ARGUMENT`, `ERR_DIMENSIONS` or `ERR_VECTOR` for
/// an invalid change.
pub fn encode(
    flat: FlatRef<'_>,
    compression: Compression,
    expected: Option<&str>,
) -> Result<Vec<u8>, DeltaError> {
    let changes = parse_to_hash(flat, MetadataRule::Objects)?.with_vectors()?;
    let columns = changes.write_columns()?;
    to_bytes(&columns, &changes.vectors(), changes.stamp(), compression, Vectors::Unchecked, expected)
}

/// The checksum that [`encode`] writes, as 32 hexadecimal digits: XXH3-128 over every field of every change, the shard
/// and both ends of the range.
///
/// # Errors
/// See [`encode`].
pub fn checksum(flat: FlatRef<'_>) -> Result<String, DeltaError> {
    Ok(pack(flat)?.checksum)
}

/// All of a delta except its vectors, and its checksum. [`seal`] makes a delta's bytes from it without reading the
/// changes again.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// The columns as an uncompressed delta holds them.
    pub columns: Vec<u8>,
    /// See [`checksum`].
    pub checksum: String,
}

/// Packs changes for [`seal`].
///
/// # Errors
/// See [`encode`].
pub fn pack(flat: FlatRef<'_>) -> Result<Packed, DeltaError> {
    let changes = parse_to_hash(flat, MetadataRule::Objects)?.with_vectors()?;
    let columns = changes.write_columns()?;
    let checksum = to_text(hash(&columns, &changes.vectors(), Vectors::Unchecked, |_| ())?);
    Ok(Packed { columns, checksum })
}

/// Writes a delta of packed changes into `buffer`, which has the delta's length. `buffer` already holds the vectors, up
/// to three bytes before their final place, so that they begin at a multiple of four; everything else is written here.
/// With a compression that packs, the bytes are returned instead and `buffer` stays as it is. `timestamp` is the
/// delta's; `checksum` is the one that [`pack`] returned with the columns. The only check is that the content still
/// matches it.
///
/// # Errors
/// `ERR_CHECKSUM` if the checksum does not match; `ERR_ARGUMENT` if `buffer` is too small for the columns; `ERR_CODEC`
/// and `ERR_LIMIT` as in [`encode`].
pub fn seal(
    buffer: &mut [u8],
    columns: &[u8],
    timestamp: u64,
    compression: Compression,
    checksum: &str,
) -> Result<Option<Vec<u8>>, DeltaError> {
    let start = Header::BYTES + columns.len();
    let Some(length) = buffer.len().checked_sub(start) else {
        return Err(argument(
            "buffer",
            format!("{} bytes are too few: {start} precede the vectors", buffer.len()),
        ));
    };
    let held = start / 4 * 4..start / 4 * 4 + length;
    if compression.packs() {
        let vectors = blocks(&buffer[held]);
        return to_bytes(columns, &vectors, timestamp, compression, Vectors::Finite, Some(checksum))
            .map(Some);
    }
    check_size(columns.len() + length)?;
    let actual = hash_of_finite(columns, &buffer[held.clone()]);
    if to_text(actual) != checksum {
        return Err(DeltaError::DeltaChecksum);
    }
    buffer.copy_within(held, start);
    buffer[Header::BYTES..start].copy_from_slice(columns);
    let section = |length| Section { raw: length, stored: length, mode: Mode::Raw };
    let (columns, vectors) = (section(columns.len()), section(length));
    Header { compression, timestamp, checksum: actual, columns, vectors }.write(buffer);
    Ok(None)
}

/// The checksum of packed changes. It is that of [`pack`] only if all components are finite.
#[must_use]
pub fn packed_checksum(columns: &[u8], vectors: &[u8]) -> String {
    to_text(hash_of_finite(columns, vectors))
}

fn hash_of_finite(columns: &[u8], vectors: &[u8]) -> u128 {
    let mut hash = content_hash(columns);
    hash.add(vectors);
    hash.value()
}

impl<'a> Changes<'a> {
    /// Encodes changes whose components are known to be finite, without compression.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, DeltaError> {
        let columns = self.write_columns()?;
        to_bytes(&columns, &self.vectors(), self.stamp(), Compression::None, Vectors::Finite, None)
    }

    fn vectors(&self) -> Vec<&'a [u8]> {
        self.list.iter().map(|change| change.vector).collect()
    }
}

/// What is known about the components.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vectors {
    /// All are finite.
    Finite,
    Unchecked,
}

fn blocks(vectors: &[u8]) -> Vec<&[u8]> {
    vectors.chunks(BLOCK).collect()
}

fn to_bytes(
    columns: &[u8],
    vectors: &[&[u8]],
    timestamp: u64,
    compression: Compression,
    known: Vectors,
    expected: Option<&str>,
) -> Result<Vec<u8>, DeltaError> {
    let length = vectors.iter().map(|vector| vector.len()).sum::<usize>();
    check_size(columns.len() + length)?;
    let (columns_mode, stored_columns) = compression.store_columns(columns)?;
    let mut out = Vec::with_capacity(Header::BYTES + stored_columns.len() + length);
    out.resize(Header::BYTES, 0);
    out.extend_from_slice(&stored_columns);
    let start = out.len();
    let checksum = hash(columns, vectors, known, |vector| out.extend_from_slice(vector))?;
    if expected.is_some_and(|expected| expected != to_text(checksum)) {
        return Err(DeltaError::DeltaChecksum);
    }
    let (vectors_mode, packed) = compression.store_vectors(&out[start..])?;
    if let Cow::Owned(packed) = packed {
        out.truncate(start);
        out.extend_from_slice(&packed);
    }
    let header = Header {
        compression,
        timestamp,
        checksum,
        columns: Section { raw: columns.len(), stored: start - Header::BYTES, mode: columns_mode },
        vectors: Section { raw: length, stored: out.len() - start, mode: vectors_mode },
    };
    header.write(&mut out);
    Ok(out)
}

fn check_size(size: usize) -> Result<(), DeltaError> {
    let limit = Header::MAX_RAW as u64;
    if size as u64 > limit {
        return Err(DeltaError::Limit { what: "delta", size: size as u64, limit });
    }
    Ok(())
}

/// The XXH3-128 of the content. `pass` gets each vector while it is still in the L1 cache.
///
/// # Errors
/// `ERR_VECTOR` for a component that is not finite.
fn hash(
    columns: &[u8],
    vectors: &[&[u8]],
    known: Vectors,
    mut pass: impl FnMut(&[u8]),
) -> Result<u128, DeltaError> {
    let mut hash = content_hash(columns);
    for vector in vectors {
        if known == Vectors::Unchecked
            && let Some(index) = first_not_finite(vector)
        {
            return Err(DeltaError::NotFinite { index });
        }
        hash.add(vector);
        pass(vector);
    }
    Ok(hash.value())
}
