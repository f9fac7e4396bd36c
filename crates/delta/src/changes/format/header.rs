use crate::{DeltaError, MAX_SAFE_INTEGER};

use super::compression::Compression;
use super::msgpack::malformed;
use super::section::{Mode, Section};
use crate::changes::hash::Hash;

/// The header of a delta.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) compression: Compression,
    pub(crate) timestamp: u64,
    pub(crate) checksum: u128,
    pub(crate) columns: Section,
    pub(crate) vectors: Section,
}

impl Header {
    /// Its length, including the hash at its end.
    pub(crate) const BYTES: usize = 56;
    /// The most bytes of both sections together, uncompressed.
    pub(crate) const MAX_RAW: usize = 64 << 20;

    /// Writes the header to the beginning of `out`, which already holds the sections after it.
    pub(crate) fn write(&self, out: &mut [u8]) {
        let mut head = Vec::with_capacity(Self::BYTES);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&[VERSION, self.compression as u8]);
        head.extend_from_slice(&self.timestamp.to_le_bytes());
        head.extend_from_slice(&self.checksum.to_le_bytes());
        for section in [self.columns, self.vectors] {
            // The limit keeps both far below 4 GiB.
            head.extend_from_slice(&(section.raw as u32).to_le_bytes());
            head.extend_from_slice(&(section.stored as u32).to_le_bytes());
        }
        head.extend_from_slice(&[self.columns.mode as u8, self.vectors.mode as u8]);
        let is_packed = |section: Section| section.mode != Mode::Raw;
        let packed = (is_packed(self.columns), is_packed(self.vectors));
        let hash = Self::hash(&head, out, packed.0, packed.1, self.columns.stored);
        head.extend_from_slice(&hash.to_le_bytes());
        out[..Self::BYTES].copy_from_slice(&head);
    }

    /// Reads and validates the header of a complete delta: afterwards the lengths match the bytes, and the sections are
    /// within the limit.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DeltaError> {
        let Some(head) = bytes.first_chunk::<{ Self::BYTES }>().filter(|head| head.starts_with(MAGIC)) else {
            return Err(malformed("these bytes are not a delta"));
        };
        if head[4] != VERSION {
            let reason = format!(
                "its format version is {}, but this build reads version {VERSION}",
                u32::from(head[4])
            );
            return Err(DeltaError::Malformed { what: "delta", reason });
        }
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let (columns, vectors) = ((number(30), number(34)), (number(38), number(42)));
        if bytes.len() - Self::BYTES != columns.1.saturating_add(vectors.1) {
            return Err(malformed("its length does not match its header"));
        }
        let hash = Self::hash(&head[..Self::HASHED], bytes, head[46] != 0, head[47] != 0, columns.1);
        if hash.to_le_bytes() != head[Self::HASHED..] {
            return Err(DeltaError::DeltaChecksum);
        }
        let size = columns.0.saturating_add(vectors.0);
        if size > Self::MAX_RAW {
            let limit = Self::MAX_RAW as u64;
            return Err(DeltaError::Limit { what: "unpacked delta", size: size as u64, limit });
        }
        let section =
            |(raw, stored): (usize, usize), mode| Ok(Section { raw, stored, mode: Mode::from_byte(mode)? });
        let header = Self {
            compression: Compression::try_from(head[5])
                .map_err(|_| malformed("its compression is unknown"))?,
            timestamp: u64::from_le_bytes(std::array::from_fn(|index| head[6 + index])),
            checksum: u128::from_le_bytes(std::array::from_fn(|index| head[14 + index])),
            columns: section(columns, head[46])?,
            vectors: section(vectors, head[47])?,
        };
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), DeltaError> {
        if self.timestamp > MAX_SAFE_INTEGER {
            return Err(DeltaError::Number { what: "timestamp", value: self.timestamp });
        }
        for section in [self.columns, self.vectors] {
            let is_raw = section.mode == Mode::Raw;
            if is_raw && section.raw != section.stored || !is_raw && !self.compression.packs() {
                return Err(malformed("a section does not match its header"));
            }
        }
        if self.columns.mode == Mode::Shuffled || !self.vectors.raw.is_multiple_of(4) {
            return Err(malformed("a section does not match its header"));
        }
        Ok(())
    }

    /// The content's checksum covers raw sections. Compressed ones are hashed here as well, because different
    /// compressed bytes can decompress to the same content.
    fn hash(head: &[u8], bytes: &[u8], columns_packed: bool, vectors_packed: bool, columns: usize) -> u64 {
        let (columns, vectors) = bytes[Self::BYTES..].split_at(columns);
        let mut hash = Hash::new();
        hash.add(head);
        if columns_packed {
            hash.add(columns);
        }
        if vectors_packed {
            hash.add(vectors);
        }
        // The lower half: XXH3-64 would add another function to the browser's module.
        hash.value() as u64
    }

    const HASHED: usize = Self::BYTES - 8;
}

const MAGIC: &[u8] = b"VDLT";
const VERSION: u8 = 1;
