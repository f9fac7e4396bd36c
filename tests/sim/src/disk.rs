use vectr_delta::CommitNo;

use crate::fault::Fault;
use crate::strike::Strike;
use crate::world::World;

/// What a process makes of its disk's syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskTrust {
    /// What a sync says counts.
    Sound,
    /// A sync of the log failed, or the log was left by a former process. It is written anew before a sync counts.
    LogSuspect,
    /// A sync of the file failed. The log is kept, and nothing becomes durable before the file is opened again.
    FileLost,
}

impl World {
    /// Syncs the node's log, which may fail: some of the commits are then not on the disk, whatever later syncs say.
    /// Returns whether the node takes everything up to `commit_no` for durable.
    pub(crate) fn sync_log(&mut self, node: usize, commit_no: CommitNo) -> bool {
        if self.nodes[node].trust == DiskTrust::FileLost {
            return false;
        }
        let odds = if self.faulty { self.climate.sync_failures } else { 0 };
        if self.random.one_in(odds) {
            self.fail_sync(node, commit_no);
            // What the disk lacks shows only after a power cut.
            if self.random.one_in(POWER_CUTS) {
                self.cut_power(node);
                return false;
            }
            if self.fault != Some(Fault::FailedSyncCounts) {
                return false;
            }
        } else if self.nodes[node].trust == DiskTrust::LogSuspect {
            self.struck.count(Strike::LogWrittenAnew);
            self.nodes[node].store.write_anew();
            self.nodes[node].trust = DiskTrust::Sound;
        }
        self.nodes[node].synced = commit_no;
        self.nodes[node].store.make_durable(commit_no);
        self.oracle.acknowledge(node, commit_no);
        if self.random.one_in(CHECKPOINTS) {
            self.checkpoint(node);
        }
        true
    }

    /// A process finds the log that a former one has left.
    pub(crate) fn suspect_log(&mut self, node: usize) {
        let trusts = self.fault == Some(Fault::LeftLogCounts);
        self.nodes[node].synced = 0;
        self.nodes[node].trust = if trusts { DiskTrust::Sound } else { DiskTrust::LogSuspect };
    }

    fn fail_sync(&mut self, node: usize, commit_no: CommitNo) {
        self.struck.count(Strike::SyncFailed);
        let kept = self.random.between(self.nodes[node].store.durable().commit_no, commit_no);
        self.note(|| format!("node {node}: the sync of commit {commit_no} fails after commit {kept}"));
        self.nodes[node].store.lose_after(kept);
        let counts = matches!(self.fault, Some(Fault::FailedSyncCounts | Fault::SyncAfterFailureCounts));
        if !counts {
            self.nodes[node].trust = DiskTrust::LogSuspect;
        }
    }

    /// Copies the log into the file. If the sync of the file fails, the log is kept from then on.
    fn checkpoint(&mut self, node: usize) {
        let odds = if self.faulty { CHECKPOINT_FAILURES } else { 0 };
        if !self.random.one_in(odds) {
            return self.nodes[node].store.checkpoint();
        }
        self.struck.count(Strike::CheckpointFailed);
        self.note(|| format!("node {node}: a checkpoint fails"));
        if self.fault == Some(Fault::FailedCheckpointCounts) {
            return self.nodes[node].store.lose_log();
        }
        self.nodes[node].trust = DiskTrust::FileLost;
        // The error says to open the database again.
        if self.random.one_in(2) {
            self.stop(node);
            self.boot_later(node);
        }
    }
}

/// One failed sync in this many is followed by a power cut.
const POWER_CUTS: u64 = 10;
/// There is one checkpoint to this many syncs.
const CHECKPOINTS: u64 = 6;
/// One checkpoint in this many fails.
const CHECKPOINT_FAILURES: u64 = 10;
