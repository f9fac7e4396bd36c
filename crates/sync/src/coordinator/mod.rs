//! Keeps many shards and peers in step: who is synced with whom, in which order, and how many at once.

mod agenda;
mod auto_sync_all;
mod gate;
mod health;
mod line;
mod peer;
mod roster;
mod round;
mod shard_coordinator;
mod statistics;
mod task;
mod topology;

pub use agenda::Agenda;
pub use peer::{Peer, PeerStatus};
pub use shard_coordinator::{Assignment, ShardCoordinator};
pub use statistics::CoordinatorStatistics;
pub use topology::Topology;
