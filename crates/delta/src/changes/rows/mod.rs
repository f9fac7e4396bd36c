//! Converts the rows of a shard to the bytes of a delta and back.
//!
//! Each version becomes a change with its own dot and causal history. A history leaves out the row's other siblings, so
//! that the changes of a row can be separated: each alone is a row that claims nothing about the others. That is not
//! possible for several siblings of one site; a key in their histories marks them, see `SameSiteSiblings`.

mod budget;
mod decode;
mod encode;
mod same_site_siblings;

pub use budget::DeltaBudget;
pub use decode::{DeltaRows, decode_rows};
pub use encode::{StoredChange, encode_rows};
