//! What was applied to a shard, in the order of change ids: as deltas, and as a feed of what comes.

pub(crate) mod deltas;
pub(crate) mod feed;
mod selection;
