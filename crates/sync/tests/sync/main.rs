//! Engines, servers and coordinators on real files, over real QUIC.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod compression;
mod concurrent_edits;
mod coordinator;
mod incarnations;
mod live;
mod many_sites;
mod on_conflict;
mod persistence;
mod rights;
mod server;
mod support;
mod trust;
mod two_nodes;
