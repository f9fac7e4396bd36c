use std::borrow::Cow;

use crate::DeltaError;

use super::msgpack::malformed;
use super::section::{Mode, Section};
use super::shuffle::{shuffle, unshuffle};

/// How a delta is compressed. Content and checksum do not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Compression {
    /// No compression.
    None = 0,
    /// No compression; the documented name for columns in plain MessagePack.
    #[default]
    Msgpack = 1,
    /// LZ4 blocks, supported by every build.
    Lz4 = 2,
    /// Zstandard: writing needs the feature `zstd`, reading that or `zstd-decode`.
    Zstd = 3,
}

impl Compression {
    /// The documented name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Msgpack => "msgpack",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    pub(crate) const fn packs(self) -> bool {
        matches!(self, Self::Lz4 | Self::Zstd)
    }

    /// Stores columns, compressed if that saves enough.
    pub(crate) fn store_columns(self, raw: &[u8]) -> Result<(Mode, Cow<'_, [u8]>), DeltaError> {
        if !self.packs() || raw.len() < SMALLEST {
            return Ok((Mode::Raw, Cow::Borrowed(raw)));
        }
        Ok(if_smaller(raw, Mode::Packed, self.pack(raw)?))
    }

    /// Stores vectors, compressed if that saves enough.
    pub(crate) fn store_vectors(self, raw: &[u8]) -> Result<(Mode, Cow<'_, [u8]>), DeltaError> {
        if !self.packs() || raw.len() < SMALLEST {
            return Ok((Mode::Raw, Cow::Borrowed(raw)));
        }
        Ok(if_smaller(raw, Mode::Shuffled, self.pack(&shuffle(raw))?))
    }

    /// The content of a section. Allocates at most its raw length, which is within the limit.
    pub(crate) fn load(self, section: Section, stored: &[u8]) -> Result<Cow<'_, [u8]>, DeltaError> {
        let unpacked = match section.mode {
            Mode::Raw => return Ok(Cow::Borrowed(stored)),
            Mode::Packed => self.unpack(stored, section.raw)?,
            Mode::Shuffled => unshuffle(&self.unpack(stored, section.raw)?),
        };
        Ok(Cow::Owned(unpacked))
    }

    fn pack(self, raw: &[u8]) -> Result<Vec<u8>, DeltaError> {
        match self {
            Self::Zstd => zstd::pack(raw),
            _ => lz4(raw),
        }
    }

    fn unpack(self, packed: &[u8], length: usize) -> Result<Vec<u8>, DeltaError> {
        let unpacked = match self {
            Self::Zstd => zstd::unpack(packed, length)?,
            // LZ4 expands a byte to at most 255: allocate nothing for a greater claim.
            _ if length / 255 > packed.len() => None,
            _ => lz4_flex::block::decompress(packed, length).ok(),
        };
        unpacked
            .filter(|unpacked| unpacked.len() == length)
            .ok_or_else(|| malformed("a section does not decompress to the length in its header"))
    }
}

impl TryFrom<u8> for Compression {
    type Error = DeltaError;

    fn try_from(byte: u8) -> Result<Self, DeltaError> {
        match byte {
            0 => Ok(Self::None),
            1 => Ok(Self::Msgpack),
            2 => Ok(Self::Lz4),
            3 => Ok(Self::Zstd),
            _ => {
                let reason = format!("{byte} is unknown: give none, msgpack, lz4 or zstd");
                Err(DeltaError::Argument { what: "compression", reason })
            }
        }
    }
}

fn lz4(raw: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let mut packed = vec![0; lz4_flex::block::get_maximum_output_size(raw.len())];
    let length = lz4_flex::block::compress_into(raw, &mut packed);
    packed
        .truncate(length.map_err(|_| DeltaError::Codec { codec: "lz4", way_out: "use msgpack".to_owned() })?);
    Ok(packed)
}

fn if_smaller(raw: &[u8], mode: Mode, packed: Vec<u8>) -> (Mode, Cow<'_, [u8]>) {
    if packed.len() > raw.len() - raw.len() / LEAST_GAIN {
        return (Mode::Raw, Cow::Borrowed(raw));
    }
    (mode, Cow::Owned(packed))
}

/// Compressing shorter sections costs more than it saves.
const SMALLEST: usize = 128;
/// Compression must save at least one part in this many.
const LEAST_GAIN: usize = 16;

#[cfg(feature = "zstd")]
mod zstd {
    use crate::DeltaError;

    pub(super) fn pack(raw: &[u8]) -> Result<Vec<u8>, DeltaError> {
        zstd::bulk::compress(raw, LEVEL).map_err(|error| DeltaError::Codec {
            codec: "zstd",
            way_out: format!("compression failed with '{error}'; use lz4"),
        })
    }

    pub(super) fn unpack(packed: &[u8], length: usize) -> Result<Option<Vec<u8>>, DeltaError> {
        Ok(zstd::bulk::decompress(packed, length).ok())
    }

    /// The library's own default is 3; on shuffled embeddings it takes four times as long for the same size.
    const LEVEL: i32 = 1;
}

#[cfg(all(not(feature = "zstd"), feature = "zstd-decode"))]
mod zstd {
    use crate::DeltaError;

    pub(super) fn pack(_raw: &[u8]) -> Result<Vec<u8>, DeltaError> {
        let way_out = "this build can only read it; use lz4, or encode the delta in Node".to_owned();
        Err(DeltaError::Codec { codec: "zstd", way_out })
    }

    pub(super) fn unpack(packed: &[u8], length: usize) -> Result<Option<Vec<u8>>, DeltaError> {
        let mut unpacked = vec![0; length];
        let written = ruzstd::decoding::FrameDecoder::new().decode_all(packed, &mut unpacked).ok();
        Ok(written.filter(|written| *written == length).map(|_| unpacked))
    }
}

#[cfg(not(any(feature = "zstd", feature = "zstd-decode")))]
mod zstd {
    use crate::DeltaError;

    pub(super) fn pack(_raw: &[u8]) -> Result<Vec<u8>, DeltaError> {
        Err(DeltaError::Codec { codec: "zstd", way_out: "use lz4".to_owned() })
    }

    pub(super) fn unpack(_packed: &[u8], _length: usize) -> Result<Option<Vec<u8>>, DeltaError> {
        let way_out = "encode the delta with lz4, or decode it in Node".to_owned();
        Err(DeltaError::Codec { codec: "zstd", way_out })
    }
}
