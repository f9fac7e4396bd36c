//! The coordinator with real engines over loopback.

mod auto_sync_all;
mod dead_peers;
mod ends;
mod health;
mod limits;
mod outcomes;
mod probe;
mod scheduler;
mod support;
mod topologies;
