//! The behaviour of a database through its public API.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod conflicts;
mod damage;
mod deltas;
mod durability;
mod exact_search;
mod files;
mod incarnation;
mod lives;
mod metadata;
mod opening;
mod peers;
mod query;
mod readers;
mod received_rows;
mod refused_writes;
mod replication;
mod session_id;
mod shard_handle;
mod storage_port;
mod support;
mod turns;
mod vectors;
mod verification;
