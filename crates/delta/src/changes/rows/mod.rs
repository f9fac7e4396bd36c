//! The rows of a database as a delta, and back.

mod budget;
mod decode;
mod same_site_siblings;

pub use budget::DeltaBudget;
pub use decode::{DeltaRows, StoredChange, decode_rows, encode_rows};
