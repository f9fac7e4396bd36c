//! What a session does for its repair.

use super::{Repair, Step};
use crate::session::barrier::AfterDurable;
use crate::session::incoming::RepairWrite;
use crate::session::{Session, Warning};
use crate::{Applied, CommitNo, DamagedRows, RemoteApply, RepairMessage, Repaired, ShardVersion};

impl Session {
    pub(in crate::session) fn confirm_end(&mut self, commit_no: CommitNo, held: ShardVersion) {
        self.barrier.after(commit_no, AfterDurable::ConfirmEnd(held));
    }

    pub(in crate::session) fn receive_repair(&mut self, message: RepairMessage) -> Result<(), &'static str> {
        // The peer may begin as soon as it has both Hellos; this node may still be accepting the peer's.
        if let (None, Some(local), Some(peer)) = (&self.repair, &self.local, &self.peer) {
            self.repair = Some(Repair::new(local, peer, self.config.page));
        }
        let repair = self.repair.as_mut().ok_or("a message before the handshake was complete")?;
        repair.receive(message, self.config.offer.nonce)
    }

    pub(in crate::session) fn take_joined(&mut self, remote: Box<RemoteApply>, applied: Applied) {
        let (Some(incoming), Some(repair)) = (&mut self.incoming, &mut self.repair) else { return };
        self.transmit.extend(incoming.take_joined(remote, applied, &mut self.report));
        repair.take_joined();
    }

    pub(in crate::session) fn take_repaired(
        &mut self,
        remote: Box<RemoteApply>,
        repaired: Repaired,
        commit_no: CommitNo,
    ) {
        let Repaired { summary, damaged } = repaired;
        let DamagedRows { count, named } = damaged;
        (self.report.rows_damaged, self.report.damaged) = (count, named);
        if self.report.rows_repaired + count > 0 {
            self.report.warn(Warning::Repaired { rows: self.report.rows_repaired, damaged: count });
        }
        let (Some(incoming), Some(repair)) = (&mut self.incoming, &mut self.repair) else { return };
        incoming.take_back(remote);
        let held = summary.version_vector.clone();
        for _ in 0..repair.take_finished(summary, commit_no) {
            self.confirm_end(commit_no, held.clone());
        }
    }

    /// Whether the two nodes are comparing their rows. One of them may be silent for as long as the other one reads all
    /// of its own.
    #[must_use]
    pub fn is_repairing(&self) -> bool {
        self.repair.as_ref().is_some_and(Repair::is_running)
    }

    pub(in crate::session) fn run_repair(&mut self) {
        if !self.established {
            return;
        }
        let (Some(incoming), Some(repair)) = (&mut self.incoming, &mut self.repair) else { return };
        incoming.defer_ends(repair.defers_ends());
        self.report.digests_differ |= repair.differs();
        self.report.repairs = repair.has_begun().into();
        while let Some(step) = repair.poll() {
            match step {
                Step::Read(request) => self.store.push_back(request),
                Step::Send(commit_no, message) => self.barrier.after(commit_no, AfterDurable::Send(message)),
                Step::Join(rows, preference) => incoming.repair(RepairWrite::Join(rows, preference)),
                Step::Finish(matches) => incoming.repair(RepairWrite::Finish(matches)),
            }
        }
    }
}
