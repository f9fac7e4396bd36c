//! The bare pipeline: rows out of one SQLite file, over one warm quinn stream, into another. No versions, no checks,
//! no protocol: what is left of a sync when all that makes it one is taken away. Same rows, pieces, pragmas,
//! barriers and transport settings.

mod audience;
mod checkpoint;
mod echo;
mod mirror;
mod piece;
mod pipeline;
mod receiver;
mod shard;
mod wire;

pub use audience::{Audience, Listener};
pub use echo::{Echo, RoundTrip};
pub use mirror::Mirror;
pub use pipeline::BarePipeline;
pub use shard::BareShard;
