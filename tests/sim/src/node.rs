use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use vectr_delta::{CommitNo, CountedRows, Fingerprint, NodeName, Strategy, Timestamp};

use crate::database::Database;
use crate::disk::DiskTrust;
use crate::feeds::ShardFeed;
use crate::hellos::HelloMemory;
use crate::store::Store;

/// A point in virtual time, in microseconds since the start.
pub(crate) type Moment = u64;

/// One second of virtual time.
pub(crate) const SECOND: Moment = 1_000_000;

/// One side of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) link: usize,
    pub(crate) side: usize,
}

/// A computer with a disk, a clock and, while it is up, a process.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: NodeName,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) strategy: Strategy,
    pub(crate) store: Store,
    /// Microseconds that the wall clock is ahead of true time.
    pub(crate) skew: i64,
    /// Counts the processes, to ignore events of earlier ones.
    pub(crate) life: u64,
    pub(crate) up: bool,
    /// What the barrier in flight will make durable.
    pub(crate) barrier: Option<CommitNo>,
    pub(crate) durable_waiters: Vec<(CommitNo, Place)>,
    pub(crate) commit_waiters: Vec<(CommitNo, Place)>,
    pub(crate) backups: VecDeque<Backup>,
    /// The last commit that the process takes for durable.
    pub(crate) synced: CommitNo,
    pub(crate) trust: DiskTrust,
    pub(crate) hellos: HelloMemory,
    pub(crate) feeds: BTreeMap<usize, ShardFeed>,
    /// The writes that a restored node still has to make to exceed those it lost.
    pub(crate) owed: u64,
    /// The rows of each shard as a repair of this process has counted them, which others may have changed since.
    pub(crate) counted: BTreeMap<usize, CountedRows>,
}

/// A copy of a machine: its file, and what its process had in memory.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    pub(crate) database: Arc<Database>,
    pub(crate) hellos: HelloMemory,
}

impl Node {
    pub(crate) fn wall(&self, now: Moment) -> Timestamp {
        Timestamp::from_micros((EPOCH + now).saturating_add_signed(self.skew))
    }

    /// The process ends; committed data stays.
    pub(crate) fn stop(&mut self) {
        self.up = false;
        self.life += 1;
        self.barrier = None;
        self.durable_waiters.clear();
        self.commit_waiters.clear();
        self.hellos = HelloMemory::default();
        self.counted.clear();
        self.feeds.clear();
    }
}

impl crate::world::World {
    /// What a clock shows that is right.
    pub(crate) const fn right_time(now: Moment) -> Timestamp {
        Timestamp::from_micros(EPOCH + now)
    }
}

/// How far true time is from 1970 at the start.
pub(crate) const EPOCH: Moment = 1_700_000_000 * SECOND;
