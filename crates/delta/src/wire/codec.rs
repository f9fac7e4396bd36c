use bytes::Bytes;

use crate::DeltaError;

/// Packs batches for the wire. The checksum of a frame covers the packed bytes; what is inside is checked again by
/// the decoder. Codecs live outside of this crate where they need C code.
pub trait Codec {
    /// The number on the wire; 0 is [`Uncompressed`].
    fn id(&self) -> u8;

    /// Packs `raw`. `None` where it does not get smaller: the batch then travels uncompressed.
    fn pack(&self, raw: &[u8]) -> Option<Vec<u8>>;

    /// Unpacks to exactly `length` bytes, which is within the batch limit.
    ///
    /// # Errors
    /// `ERR_PROTOCOL` where the bytes do not unpack to that length.
    fn unpack(&self, packed: Bytes, length: usize) -> Result<Bytes, DeltaError>;
}

/// Bytes as they are.
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
        let reason = format!("{} bytes instead of {length}", packed.len());
        Err(DeltaError::Malformed { what: "batch", reason })
    }
}
