//! Engines, servers and coordinators on real files, over real QUIC.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod compression;
mod concurrent_edits;
mod coordinator;
mod hostile;
mod incarnations;
mod live;
mod many_sites;
mod on_conflict;
mod outsider;
mod persistence;
mod repairs;
mod rights;
mod server;
mod support;
mod trust;
mod two_nodes;
