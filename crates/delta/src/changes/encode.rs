use std::borrow::Cow;

use crate::DeltaError;
use crate::payload::first_not_finite;

use super::Compression;
use super::change::Changes;
use super::content::hex;
use super::flat::FlatRef;
use super::header::{Header, Section, content_hash};
use super::parse::{Metadatas, parse_to_hash};

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
    let changes = parse_to_hash(flat, Metadatas::Objects)?.with_vectors()?;
    changes.to_bytes(compression, expected)
}

/// The checksum that [`encode`] writes, as 32 hexadecimal digits: XXH3-128 over every field of every change, the shard
/// and both ends of the range.
///
/// # Errors
/// As [`encode`].
pub fn checksum(flat: FlatRef<'_>) -> Result<String, DeltaError> {
    let changes = parse_to_hash(flat, Metadatas::Objects)?.with_vectors()?;
    let columns = changes.write_columns()?;
    Ok(to_text(changes.content_hash(&columns, |_| ())?))
}

impl Changes<'_> {
    pub(super) fn to_bytes(
        &self,
        compression: Compression,
        expected: Option<&str>,
    ) -> Result<Vec<u8>, DeltaError> {
        let columns = self.write_columns()?;
        let vectors = self.list.iter().map(|change| change.vector.len()).sum::<usize>();
        let size = columns.len() + vectors;
        if size > Header::MAX_RAW {
            let limit = Header::MAX_RAW as u64;
            return Err(DeltaError::Limit { what: "delta", size: size as u64, limit });
        }
        let (columns_mode, stored_columns) = compression.store_columns(&columns)?;
        let mut out = Vec::with_capacity(Header::BYTES + stored_columns.len() + vectors);
        out.resize(Header::BYTES, 0);
        out.extend_from_slice(&stored_columns);
        let start = out.len();
        let checksum = self.content_hash(&columns, |vector| out.extend_from_slice(vector))?;
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
            timestamp: self.stamp(),
            checksum,
            columns: Section { raw: columns.len(), stored: start - Header::BYTES, mode: columns_mode },
            vectors: Section { raw: vectors, stored: out.len() - start, mode: vectors_mode },
        };
        header.write(&mut out);
        Ok(out)
    }

    /// The hash of the content, which is XXH3-128; `pass` gets each vector while it is in the nearest cache.
    ///
    /// # Errors
    /// `ERR_VECTOR` for a component that is not finite.
    fn content_hash(&self, columns: &[u8], mut pass: impl FnMut(&[u8])) -> Result<u128, DeltaError> {
        let mut hash = content_hash(columns);
        for change in &self.list {
            if let Some(index) = first_not_finite(change.vector) {
                return Err(DeltaError::NotFinite { index });
            }
            hash.add(change.vector);
            pass(change.vector);
        }
        Ok(hash.value())
    }
}

/// A checksum as text.
pub(super) fn to_text(checksum: u128) -> String {
    let mut text = String::with_capacity(32);
    hex(checksum, &mut text);
    text
}
