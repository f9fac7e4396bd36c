//! What the benchmarks share: real embeddings as rows, and the bare pipeline that a sync is measured against.

pub mod bare;
mod embeddings;
mod error;
mod pair;
mod parts;
mod process;
mod rows;
pub mod store;
mod timing;

pub use embeddings::Embeddings;
pub use error::BenchError;
pub use pair::{Item, Pair, database, engine, insert, items, shard_id};
pub use parts::Parts;
pub use process::Process;
pub use rows::{Peer, batches, conflict, grouped, row, vector_id};
pub use timing::{median, millis, percentile};
