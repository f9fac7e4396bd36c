//! The binary format of a delta.

mod checksum;
mod columns;
mod compression;
mod decode;
mod encode;
mod header;
mod msgpack;
mod section;
mod shuffle;

pub use compression::Compression;
pub(crate) use decode::open;
pub use decode::{Decoded, decode};
pub use encode::{Packed, checksum, encode, pack, packed_checksum, seal};
pub(crate) use header::Header;
pub(crate) use msgpack::malformed;
