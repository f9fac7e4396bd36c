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

/// The bytes of a delta. Unpacked, equal content gives equal bytes on every platform; the order of keys and of the
/// entries of a history is no content.
///
/// # Errors
/// `ERR_CHECKSUM` where `expected` is given and is not the content's checksum; `ERR_CODEC` for a compression that this
/// build does not write; `ERR_LIMIT` above 64 MiB or 65,536 changes; `ERR_ARGUMENT`, `ERR_DIMENSIONS` and `ERR_VECTOR`
/// for what no change can hold.
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
/// As [`encode`].
pub fn checksum(flat: FlatRef<'_>) -> Result<String, DeltaError> {
    Ok(pack(flat)?.checksum)
}

/// All of a delta but its vectors, and its checksum: what [`seal`] makes bytes of without another look at the changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// As they stand in the bytes, where these are not compressed.
    pub columns: Vec<u8>,
    /// As of [`checksum`].
    pub checksum: String,
}

/// Packs changes without making bytes of them.
///
/// # Errors
/// As [`encode`].
pub fn pack(flat: FlatRef<'_>) -> Result<Packed, DeltaError> {
    let changes = parse_to_hash(flat, MetadataRule::Objects)?.with_vectors()?;
    let columns = changes.write_columns()?;
    let checksum = to_text(hash(&columns, &changes.vectors(), Vectors::Unchecked, |_| ())?);
    Ok(Packed { columns, checksum })
}

/// Makes the bytes of changes that were packed before in `room`, which has their length. The vectors stand there
/// already, up to three bytes before their place so that they begin at a multiple of four; all else is written here.
/// A compression that packs leaves the room as it is, and the bytes are returned. `timestamp` is that of the whole,
/// `checksum` the one that came with the columns: that the vectors still have it is all that is looked at.
///
/// # Errors
/// `ERR_CHECKSUM` where the checksum is another one; `ERR_ARGUMENT` for a room that is too small for the columns;
/// `ERR_CODEC` and `ERR_LIMIT` as of [`encode`].
pub fn seal(
    room: &mut [u8],
    columns: &[u8],
    timestamp: u64,
    compression: Compression,
    checksum: &str,
) -> Result<Option<Vec<u8>>, DeltaError> {
    let start = Header::BYTES + columns.len();
    let Some(length) = room.len().checked_sub(start) else {
        return Err(argument("room", format!("{} bytes, and {start} stand before the vectors", room.len())));
    };
    let held = start / 4 * 4..start / 4 * 4 + length;
    if compression.packs() {
        let vectors = blocks(&room[held]);
        return to_bytes(columns, &vectors, timestamp, compression, Vectors::Finite, Some(checksum))
            .map(Some);
    }
    check_size(columns.len() + length)?;
    let actual = hash_of_finite(columns, &room[held.clone()]);
    if to_text(actual) != checksum {
        return Err(DeltaError::DeltaChecksum);
    }
    room.copy_within(held, start);
    room[Header::BYTES..start].copy_from_slice(columns);
    let section = |length| Section { raw: length, stored: length, mode: Mode::Raw };
    let (columns, vectors) = (section(columns.len()), section(length));
    Header { compression, timestamp, checksum: actual, columns, vectors }.write(room);
    Ok(None)
}

/// The checksum of packed changes. That of a pack it is only where all components are finite.
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
    /// The bytes of changes whose components are known to be finite, uncompressed.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, DeltaError> {
        let columns = self.write_columns()?;
        to_bytes(&columns, &self.vectors(), self.stamp(), Compression::None, Vectors::Finite, None)
    }

    fn vectors(&self) -> Vec<&'a [u8]> {
        self.list.iter().map(|change| change.vector).collect()
    }
}

/// What is known of the components.
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

/// The hash of the content, which is XXH3-128; `pass` gets each vector while it is in the nearest cache.
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
