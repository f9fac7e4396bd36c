use super::msgpack::malformed;
use crate::DeltaError;

/// How a section of a delta is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As it is.
    Raw = 0,
    /// Through the codec.
    Packed = 1,
    /// Through the codec, as f32 numbers whose bytes were shuffled.
    Shuffled = 2,
}

impl Mode {
    pub(super) fn from_byte(byte: u8) -> Result<Self, DeltaError> {
        match byte {
            0 => Ok(Self::Raw),
            1 => Ok(Self::Packed),
            2 => Ok(Self::Shuffled),
            _ => Err(malformed("an unknown way to store a section")),
        }
    }
}

/// A section's lengths and mode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) raw: usize,
    pub(crate) stored: usize,
    pub(crate) mode: Mode,
}
