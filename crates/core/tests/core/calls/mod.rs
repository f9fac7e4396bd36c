//! What single kinds of calls promise: their results, limits and turns.

mod exact_search;
mod many_sites;
mod metadata;
mod query;
mod readers;
mod refused_writes;
mod shard_handle;
mod turns;
