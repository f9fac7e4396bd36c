use super::msgpack::malformed;
use crate::DeltaError;

/// How a section of a delta is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Uncompressed.
    Raw = 0,
    /// Compressed.
    Packed = 1,
    /// Compressed after [`shuffle`](super::shuffle::shuffle).
    Shuffled = 2,
}

impl Mode {
    pub(super) fn from_byte(byte: u8) -> Result<Self, DeltaError> {
        match byte {
            0 => Ok(Self::Raw),
            1 => Ok(Self::Packed),
            2 => Ok(Self::Shuffled),
            _ => Err(malformed("a section has an unknown storage mode")),
        }
    }
}

/// The lengths and the mode of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) raw: usize,
    pub(crate) stored: usize,
    pub(crate) mode: Mode,
}
