//! The coordinator with real engines over loopback.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod agenda;
mod auto_sync_all;
mod dead_peers;
mod ends;
mod health;
mod limits;
mod outcomes;
mod probe;
mod support;
mod topologies;
