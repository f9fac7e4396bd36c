use bytes::Bytes;

use crate::DeltaError;

/// Compresses batches for the wire. The checksum of a frame covers the compressed bytes; the decoder validates the
/// content itself. Codecs that need C code live outside of this crate.
pub trait Codec {
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
        let reason = format!("got {} bytes instead of {length}", packed.len());
        Err(DeltaError::Malformed { what: "batch", reason })
    }
}
