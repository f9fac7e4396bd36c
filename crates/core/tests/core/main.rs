//! The behaviour of a database through its public API.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod calls;
mod change_feed;
#[cfg(unix)]
mod company;
mod conflicts;
mod damage;
mod deltas;
mod durability;
mod files;
mod held_rows;
mod incarnation;
mod lives;
mod opening;
mod peers;
#[cfg(unix)]
mod read_only;
mod received_rows;
mod replication;
mod session_id;
mod storage_port;
mod support;
mod vectors;
mod verification;
