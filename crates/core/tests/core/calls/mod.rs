//! What single kinds of calls promise: their results, limits and turns.

mod exact_search;
mod inspection;
mod many_sites;
mod metadata;
mod query;
mod readers;
mod refused_files;
mod refused_writes;
mod shard_handle;
mod turns;
