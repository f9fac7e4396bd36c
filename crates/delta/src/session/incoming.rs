use std::collections::VecDeque;

use super::{SessionReport, StoreRequest, Warning};
use crate::{Applied, Batch, ChangeId, End, EndRule, Message, Preference, RemoteApply};

/// The receiving half: applies batches in order, several in one transaction if they have piled up.
#[derive(Debug)]
pub(super) struct Incoming {
    remote: Option<Box<RemoteApply>>,
    nonce: u64,
    window: u64,
    next_index: u64,
    position: ChangeId,
    queue: VecDeque<Arrival>,
    queued_bytes: usize,
    applying: u64,
    received: u64,
    applied: u64,
    ends: u64,
    confirmed_ends: u64,
    seen_confirmations: u64,
    /// Whether the last arrival was an end.
    ended: bool,
    /// What a repair is to write once all that has arrived is applied.
    repair: Option<RepairWrite>,
    /// Whether ends wait for a repair.
    defers_ends: bool,
}

/// What a repair writes.
#[derive(Debug)]
pub(super) enum RepairWrite {
    /// Rows to join.
    Join(Batch, Preference),
    /// The end of the repair. Whether the rows had the shard's digest.
    Finish(bool),
}

#[derive(Debug)]
enum Arrival {
    Batch(Batch),
    End(Box<End>),
}

impl Incoming {
    pub(super) fn new(remote: RemoteApply, nonce: u64, window: u16, position: ChangeId) -> Self {
        Self {
            remote: Some(Box::new(remote)),
            nonce,
            window: u64::from(window),
            next_index: 0,
            position,
            queue: VecDeque::new(),
            queued_bytes: 0,
            applying: 0,
            received: 0,
            applied: 0,
            ends: 0,
            confirmed_ends: 0,
            seen_confirmations: 0,
            ended: false,
            repair: None,
            defers_ends: false,
        }
    }

    pub(super) fn receive_batch(&mut self, batch: Batch) -> Result<(), &'static str> {
        self.check(batch.nonce, batch.index, batch.position)?;
        self.received += 1;
        self.ended = false;
        if self.received - self.applied > self.window {
            return Err("more unacknowledged batches than the window allows");
        }
        self.queued_bytes += weight(&batch);
        self.queue.push_back(Arrival::Batch(batch));
        Ok(())
    }

    pub(super) fn receive_end(&mut self, end: End) -> Result<(), &'static str> {
        self.check(end.nonce, end.index, end.position)?;
        self.ends += 1;
        self.ended = true;
        if self.ends - self.confirmed_ends > self.window {
            return Err("more unconfirmed ends than the window allows");
        }
        self.queued_bytes += weight_of_end(&end);
        self.queue.push_back(Arrival::End(Box::new(end)));
        Ok(())
    }

    pub(super) const fn receive_done(&mut self) -> Result<(), &'static str> {
        if self.seen_confirmations == self.confirmed_ends {
            return Err("a done message without a durable message before it");
        }
        self.seen_confirmations += 1;
        Ok(())
    }

    /// The next write, unless one is under way. An end shares the transaction of the batches before it, because every
    /// transaction has a fixed cost.
    pub(super) fn next_request(&mut self) -> Option<StoreRequest> {
        if self.queue.is_empty() {
            return self.next_repair();
        }
        let mut remote = self.remote.take()?;
        if self.defers_ends {
            remote.set_rule(EndRule::Defer);
        }
        let batches = self.take_batches();
        self.applying = batches.len() as u64;
        let end = self.queue.pop_front_if(|arrival| matches!(arrival, Arrival::End(_)));
        Some(match end {
            Some(Arrival::End(end)) => {
                self.queued_bytes -= weight_of_end(&end);
                StoreRequest::End { remote, batches, end }
            }
            _ => StoreRequest::Apply { remote, batches },
        })
    }

    fn next_repair(&mut self) -> Option<StoreRequest> {
        self.repair.as_ref()?;
        let remote = self.remote.take()?;
        Some(match self.repair.take()? {
            RepairWrite::Join(rows, preference) => StoreRequest::JoinRange { remote, rows, preference },
            RepairWrite::Finish(matches) => StoreRequest::FinishRepair { remote, matches },
        })
    }

    /// Has the repair write next, behind all that has arrived.
    pub(super) fn repair(&mut self, write: RepairWrite) {
        self.repair = Some(write);
    }

    /// Whether ends wait for a repair from now on.
    pub(super) const fn defer_ends(&mut self, defers: bool) {
        self.defers_ends = defers;
    }

    /// Rows of a repair were joined.
    pub(super) fn take_joined(
        &mut self,
        remote: Box<RemoteApply>,
        applied: Applied,
        report: &mut SessionReport,
    ) -> impl Iterator<Item = Message> + use<> {
        self.remote = Some(remote);
        report.rows_repaired += applied.changed;
        report.conflicts += applied.conflicts;
        applied.held.iter().for_each(|held| report.warn(Warning::Held(held.clone())));
        applied.held.into_iter().map(Message::Held)
    }

    /// The repair has ended in the storage.
    pub(super) fn take_back(&mut self, remote: Box<RemoteApply>) {
        self.remote = Some(remote);
    }

    fn take_batches(&mut self) -> Vec<Batch> {
        let (mut batches, mut bytes) = (Vec::new(), 0);
        while bytes < MAX_TRANSACTION_BYTES {
            let Some(Arrival::Batch(batch)) =
                self.queue.pop_front_if(|arrival| matches!(arrival, Arrival::Batch(_)))
            else {
                break;
            };
            bytes += weight(&batch);
            batches.push(batch);
        }
        self.queued_bytes -= bytes;
        batches
    }

    pub(super) fn take_applied(
        &mut self,
        remote: RemoteApply,
        applied: Applied,
        report: &mut SessionReport,
    ) -> impl Iterator<Item = Message> + use<> {
        self.remote = Some(Box::new(remote));
        let acknowledged = self.applying > 0;
        self.applied += self.applying;
        self.applying = 0;
        report.rows_received += applied.received;
        report.rows_applied += applied.changed;
        report.conflicts += applied.conflicts;
        for held in &applied.held {
            report.warn(Warning::Held(held.clone()));
        }
        let held = applied.held.into_iter().map(Message::Held);
        held.chain(acknowledged.then_some(Message::Ack(self.applied)))
    }

    pub(super) const fn confirm_end(&mut self) {
        self.confirmed_ends += 1;
    }

    pub(super) const fn is_saturated(&self) -> bool {
        self.queued_bytes >= MAX_QUEUED_BYTES
    }

    pub(super) const fn is_done(&self) -> bool {
        self.ends > 0 && self.confirmed_ends == self.ends && self.seen_confirmations == self.ends
    }

    /// Whether everything received is applied and confirmed. Rows are always followed by an end.
    pub(super) fn is_settled(&self) -> bool {
        self.is_done() && self.queue.is_empty() && self.remote.is_some() && self.ended
    }

    fn check(&mut self, nonce: u64, index: u64, position: ChangeId) -> Result<(), &'static str> {
        if nonce != self.nonce {
            return Err("a batch of another session");
        }
        if index != self.next_index {
            return Err("a batch is missing or was sent twice");
        }
        if position < self.position {
            return Err("a position below the one before it");
        }
        self.next_index += 1;
        self.position = position;
        Ok(())
    }
}

fn weight(batch: &Batch) -> usize {
    let siblings = batch.rows.iter().flat_map(|entry| entry.row.siblings());
    siblings.filter_map(|sibling| sibling.payload()).map(|payload| payload.vector().len() + 256).sum()
}

/// An entry takes 16 bytes, and a name with what keeps it about a hundred.
fn weight_of_end(end: &End) -> usize {
    16 * (end.version_vector.len() + end.frontier.len()) + 100 * end.names.len()
}

/// Batches that have piled up are applied together up to about this size, because every transaction has a fixed cost.
const MAX_TRANSACTION_BYTES: usize = 1 << 20;

/// Above this, further messages stay unread in the stream.
const MAX_QUEUED_BYTES: usize = 8 << 20;
