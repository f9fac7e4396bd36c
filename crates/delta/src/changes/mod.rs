//! Changes of vectors as plain values, outside of any database: as bytes, and what stands of them.
//!
//! Everything comes in and goes out in the flat form of [`FlatRef`], so that a binding crosses its boundary once.

mod change;
mod columns;
mod compression;
mod content;
mod crowd;
mod decode;
mod encode;
mod flat;
mod hash;
mod header;
mod key;
mod merged;
mod msgpack;
mod newest;
mod operations;
mod parse;
mod resolve_deltas;
mod rows;
mod shuffle;
mod space;
mod standing;
mod verdict;
mod versions;

pub use compression::Compression;
pub use decode::{Decoded, decode};
pub use encode::{Packed, checksum, encode, pack, packed_checksum, seal};
pub use flat::{Flat, FlatRef};
pub use key::site_of;
pub use merged::merge;
pub use newest::newest;
pub use operations::{Resolution, resolve_operations};
pub use resolve_deltas::resolve_deltas;
pub use rows::{DeltaRows, StoredChange, decode_rows, encode_rows};
pub use space::DeltaSpace;
pub use verdict::{MERGED, Verdict, resolve};
pub use versions::{increment_version, join_versions, relate_versions};
