use bytes::Bytes;

use crate::DeltaError;

/// Compresses batches for the wire. The checksum of a frame covers the compressed bytes; the decoder validates the
/// content itself. Codecs that need C code live outside of this crate.
pub trait Codec: Send + Sync {
    /// The codec's number on the wire; 0 is [`Uncompressed`].
    fn id(&self) -> u8;

    /// Compresses `raw`. `None` if it does not get smaller; the batch is then sent uncompressed.
    fn pack(&self, raw: &[u8]) -> Option<Vec<u8>>;

    /// Decompresses to exactly `length` bytes, which the caller has checked against the batch limit.
    ///
    /// # Errors
    /// `ERR_PROTOCOL` if the bytes do not decompress to that length.
    fn unpack(&self, packed: Bytes, length: usize) -> Result<Bytes, DeltaError>;
}

/// Leaves the bytes as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uncompressed;

impl Codec for Uncompressed {
    fn id(&self) -> u8 {
        0
    }

    fn pack(&self, _raw: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn unpack(&self, packed: Bytes, length: usize) -> Result<Bytes, DeltaError> {
        if packed.len() == length {
            return Ok(packed);
        }
        Err(malformed(format!("got {} bytes instead of {length}", packed.len())))
    }
}

/// LZ4 over the columns of a batch (ids, stamps, contexts, metadata); the vectors stay as they are.
///
/// LZ4 takes nothing off embeddings, so they would only cost the time that packing them takes. Packed:
/// `u32 length of the block | LZ4 block of (u32 columns length | columns) | vectors`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lz4Columns;

impl Codec for Lz4Columns {
    fn id(&self) -> u8 {
        1
    }

    fn pack(&self, raw: &[u8]) -> Option<Vec<u8>> {
        let columns_length = u32::from_le_bytes(*raw.first_chunk::<LENGTH>()?) as usize;
        let (columns, vectors) = raw.split_at_checked(LENGTH + columns_length)?;
        let least_gain = raw.len() / LEAST_GAIN;
        // Mostly vectors: the columns cannot gain that much, whatever they hold.
        if columns.len() <= least_gain {
            return None;
        }
        let block = lz4_flex::block::compress(columns);
        if LENGTH + block.len() + least_gain > columns.len() {
            return None;
        }
        Some([&(block.len() as u32).to_le_bytes(), block.as_slice(), vectors].concat())
    }

    fn unpack(&self, packed: Bytes, length: usize) -> Result<Bytes, DeltaError> {
        let head = packed.first_chunk::<LENGTH>().ok_or_else(|| malformed("ended early".to_owned()))?;
        let block_length = u32::from_le_bytes(*head) as usize;
        let (block, vectors) = packed[LENGTH..]
            .split_at_checked(block_length)
            .ok_or_else(|| malformed("its packed columns end early".to_owned()))?;
        let columns_length = length
            .checked_sub(vectors.len())
            // No byte of an LZ4 block stands for more than 255: nothing is allocated for a claim beyond that.
            .filter(|columns_length| columns_length / 255 <= block.len())
            .ok_or_else(|| malformed(format!("{} packed bytes cannot be {length}", packed.len())))?;
        let mut raw = Vec::with_capacity(length);
        raw.resize(columns_length, 0);
        match lz4_flex::block::decompress_into(block, &mut raw) {
            Ok(written) if written == columns_length => {}
            _ => return Err(malformed("its columns do not unpack to the length that it counts".to_owned())),
        }
        raw.extend_from_slice(vectors);
        Ok(raw.into())
    }
}

/// The bytes of a length.
const LENGTH: usize = 4;

/// A batch is packed where that takes off one part in so many; less costs the receiver more than the link gains.
const LEAST_GAIN: usize = 16;

const fn malformed(reason: String) -> DeltaError {
    DeltaError::Malformed { what: "batch", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(columns: &[u8], vectors: &[u8]) -> Vec<u8> {
        [&(columns.len() as u32).to_le_bytes(), columns, vectors].concat()
    }

    #[test]
    fn columns_that_repeat_get_smaller_and_come_back() {
        let raw = raw(&[7; 4_000], &[1, 2, 3, 4]);
        let packed = Lz4Columns.pack(&raw).unwrap();
        assert!(packed.len() < raw.len() / 10);
        assert!(packed.ends_with(&[1, 2, 3, 4]));
        assert_eq!(Lz4Columns.unpack(packed.into(), raw.len()).unwrap(), raw);
    }

    #[test]
    fn a_batch_of_little_but_vectors_is_not_packed() {
        assert_eq!(Lz4Columns.pack(&raw(&[7; 100], &[0; 4_000])), None);
        assert_eq!(Lz4Columns.pack(&raw(&[], &[])), None);
    }

    #[test]
    fn columns_that_do_not_repeat_are_not_packed() {
        let columns: Vec<u8> = (0..=255).collect();
        assert_eq!(Lz4Columns.pack(&raw(&columns, &[])), None);
    }

    #[test]
    fn bytes_that_do_not_unpack_to_their_length_are_refused() {
        let whole = raw(&[7; 4_000], &[9; 8]);
        let packed = Lz4Columns.pack(&whole).unwrap();
        for (bytes, length) in [
            (&packed[..], whole.len() - 1),
            (&packed[..], whole.len() + 1),
            (&packed[..], 64 << 20),
            (&packed[..], 7),
            (&packed[..packed.len() - 9], whole.len()),
            (&packed[..3], whole.len()),
            (&[], 0),
            (&[0xff; 16], 16),
        ] {
            let refused = Lz4Columns.unpack(Bytes::copy_from_slice(bytes), length).unwrap_err();
            assert_eq!(refused.code(), "ERR_PROTOCOL", "{length}");
        }
    }
}
