//! Changes of vectors as plain values, outside of any database: their encoding, and which of them win.
//!
//! All functions take and return the flat form of [`FlatRef`], so that a binding crosses its boundary only once.

mod change;
mod flat;
mod format;
mod hash;
mod key;
mod parse;
mod resolution;
mod rows;
mod versions;

pub use flat::{Flat, FlatRef};
pub use format::{Compression, Decoded, Packed, checksum, decode, encode, pack, packed_checksum, seal};
pub use key::site_of;
pub use resolution::{
    MERGED, Resolution, Verdict, merge, newest, resolve, resolve_deltas, resolve_operations,
};
pub use rows::{DeltaBudget, DeltaRows, StoredChange, decode_rows, encode_rows};
pub use versions::{increment_version, join_versions, relate_versions};
