//! Syncs many shards with many peers: which pairs, in which order, and how many at once.

mod dispatch_queue;
mod executor;
mod health;
mod peer;
mod peer_table;
mod priority_semaphore;
mod scheduler;
mod shard_coordinator;
mod statistics;
mod task;
mod topology;

pub use peer::{Peer, PeerStatus};
pub use scheduler::Scheduler;
pub use shard_coordinator::{Assignment, ShardCoordinator};
pub use statistics::CoordinatorStatistics;
pub use topology::Topology;
