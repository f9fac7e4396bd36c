//! The rows of a shard as the bytes of a delta, and back.
//!
//! Each version becomes a change with its own number and its causal history. A history leaves out the other versions
//! that stand, so that the changes of a row may be parted: each of them alone is a row that claims nothing of the
//! others. Where one site has several of them that cannot be, and a key in their histories says so: see [`SameSiteSiblings`].

mod budget;
mod decode;
mod encode;
mod same_site_siblings;

pub use budget::DeltaBudget;
pub use decode::{DeltaRows, decode_rows};
pub use encode::{StoredChange, encode_rows};
