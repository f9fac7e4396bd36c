//! The coordinator with real engines over loopback.

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
