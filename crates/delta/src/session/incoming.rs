use std::collections::VecDeque;

use super::{SessionReport, StoreRequest, Warning};
use crate::{
    Applied, Batch, ChangeId, End, EndRule, HeldAnswer, HeldRow, Message, Preference, RemoteApply, UnsentRow,
};

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
    /// What the storage is joining.
    applying_bytes: usize,
    applying: u64,
    received: u64,
    applied: u64,
    /// Of the applied batches, those whose acknowledgement has left.
    acknowledged: u64,
    ends: u64,
    confirmed_ends: u64,
    /// Of these, those whose confirmation has left.
    told_ends: u64,
    seen_confirmations: u64,
    /// Whether the last arrival was an end.
    ended: bool,
    /// What a repair is to write once all that has arrived is applied.
    repair: Option<RepairWrite>,
    /// Whether ends wait for a repair.
    defers_ends: bool,
    /// How many rows the next batch or end passes over.
    unsent: usize,
    /// An answer that is to be joined, with the rows that it is about.
    answer: Option<(Vec<HeldRow>, Box<HeldAnswer>)>,
    /// Whether ends wait for answers.
    ends_wait: bool,
}

/// What a repair writes.
#[derive(Debug)]
pub(super) enum RepairWrite {
    /// Rows to join.
    Join(Batch, Preference),
    /// The end of the repair. Whether the rows had the shard's digest.
    Finish(bool),
}

impl RepairWrite {
    fn weight(&self) -> usize {
        match self {
            Self::Join(rows, _) => rows.weight(),
            Self::Finish(_) => 0,
        }
    }
}

#[derive(Debug)]
enum Arrival {
    Batch(Batch),
    End(Box<End>),
    /// What follows passes over these.
    Unsent(Vec<UnsentRow>),
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
            applying_bytes: 0,
            applying: 0,
            received: 0,
            applied: 0,
            acknowledged: 0,
            ends: 0,
            confirmed_ends: 0,
            told_ends: 0,
            seen_confirmations: 0,
            ended: false,
            repair: None,
            defers_ends: false,
            unsent: 0,
            answer: None,
            ends_wait: false,
        }
    }

    pub(super) fn receive_batch(&mut self, batch: Batch) -> Result<(), &'static str> {
        self.check(batch.nonce, batch.index, batch.position)?;
        self.received += 1;
        self.ended = false;
        self.unsent = 0;
        // The peer cannot have read an acknowledgement that has not left: one that sends on and reads nothing is refused
        // before answers pile up.
        if self.received - self.acknowledged > self.window {
            return Err("more unacknowledged batches than the window allows");
        }
        self.queued_bytes += batch.weight();
        self.queue.push_back(Arrival::Batch(batch));
        Ok(())
    }

    pub(super) fn receive_end(&mut self, end: End) -> Result<(), &'static str> {
        self.check(end.nonce, end.index, end.position)?;
        self.ends += 1;
        self.ended = true;
        self.unsent = 0;
        if self.ends - self.told_ends > self.window {
            return Err("more unconfirmed ends than the window allows");
        }
        self.queued_bytes += weight_of_end(&end);
        self.queue.push_back(Arrival::End(Box::new(end)));
        Ok(())
    }

    /// The peer passes over these rows with what it sends next.
    pub(super) fn receive_unsent(&mut self, rows: Vec<UnsentRow>) -> Result<(), &'static str> {
        if rows.is_empty() {
            return Err("no rows that are passed over");
        }
        self.unsent += rows.len();
        if self.unsent > HeldRow::MAX_ROWS {
            return Err("more rows that were passed over than a list has room for");
        }
        self.queued_bytes += weight_of_unsent(&rows);
        self.queue.push_back(Arrival::Unsent(rows));
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
        if !self.has_ready_arrival() {
            return self
                .next_answer()
                .or_else(|| if self.has_caught_up() { self.next_repair() } else { None });
        }
        let mut remote = self.remote.take()?;
        if self.defers_ends {
            remote.set_rule(EndRule::Defer);
        }
        let queued = self.queued_bytes;
        let batches = self.take_batches(&mut remote);
        self.applying = batches.len() as u64;
        let waits = self.ends_wait;
        let end = self.queue.pop_front_if(|arrival| matches!(arrival, Arrival::End(_)) && !waits);
        if let Some(Arrival::End(end)) = &end {
            self.queued_bytes -= weight_of_end(end);
        }
        self.applying_bytes = queued - self.queued_bytes;
        Some(match end {
            Some(Arrival::End(end)) => StoreRequest::End { remote, batches, end },
            _ => StoreRequest::Apply { remote, batches },
        })
    }

    /// Whether a batch can be applied, or an end.
    fn has_ready_arrival(&self) -> bool {
        let next = self.queue.iter().find(|arrival| !matches!(arrival, Arrival::Unsent(_)));
        next.is_some_and(|arrival| matches!(arrival, Arrival::Batch(_)) || !self.ends_wait)
    }

    /// Whether no batch and no end waits. What is passed over concerns the next one of them alone.
    fn has_caught_up(&self) -> bool {
        self.queue.iter().all(|arrival| matches!(arrival, Arrival::Unsent(_)))
    }

    fn next_answer(&mut self) -> Option<StoreRequest> {
        self.answer.as_ref()?;
        let remote = self.remote.take()?;
        let (asked, answer) = self.answer.take()?;
        self.applying_bytes = answer.rows.weight();
        Some(StoreRequest::JoinAnswer { remote, asked, answer })
    }

    fn next_repair(&mut self) -> Option<StoreRequest> {
        self.repair.as_ref()?;
        let remote = self.remote.take()?;
        let write = self.repair.take()?;
        self.applying_bytes = write.weight();
        Some(match write {
            RepairWrite::Join(rows, preference) => StoreRequest::JoinRange { remote, rows, preference },
            RepairWrite::Finish(matches) => StoreRequest::FinishRepair { remote, matches },
        })
    }

    /// Has the repair write next, behind all that has arrived.
    pub(super) fn repair(&mut self, write: RepairWrite) {
        self.repair = Some(write);
    }

    /// Has an answer joined about these rows.
    pub(super) fn join_answer(&mut self, asked: Vec<HeldRow>, answer: HeldAnswer) {
        self.answer = Some((asked, Box::new(answer)));
    }

    /// Whether ends wait for answers from now on.
    pub(super) const fn let_ends_wait(&mut self, wait: bool) {
        self.ends_wait = wait;
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
        self.take_back(remote);
        report.rows_repaired += applied.changed;
        report.conflicts += applied.conflicts;
        applied.held.iter().for_each(|held| report.warn(Warning::Held(held.clone())));
        applied.held.into_iter().map(Message::Held)
    }

    /// The storage has done what it was asked for.
    pub(super) fn take_back(&mut self, remote: Box<RemoteApply>) {
        self.remote = Some(remote);
        self.applying_bytes = 0;
    }

    /// The batches to apply now. What is passed over with them or the end behind them is told to `remote`.
    fn take_batches(&mut self, remote: &mut RemoteApply) -> Vec<Batch> {
        let (mut batches, mut bytes) = (Vec::new(), 0);
        while bytes < MAX_TRANSACTION_BYTES && self.has_ready_arrival() {
            let is_next = |arrival: &mut Arrival| !matches!(arrival, Arrival::End(_));
            match self.queue.pop_front_if(is_next) {
                Some(Arrival::Batch(batch)) => {
                    bytes += batch.weight();
                    batches.push(batch);
                }
                Some(Arrival::Unsent(rows)) => {
                    bytes += weight_of_unsent(&rows);
                    remote.pass_over(rows);
                }
                Some(Arrival::End(_)) | None => break,
            }
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
        self.take_back(Box::new(remote));
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

    /// Says again how many batches are applied.
    pub(super) const fn repeat_ack(&self) -> Message {
        Message::Ack(self.applied)
    }

    /// A message of this node leaves.
    pub(super) const fn note_sent(&mut self, message: &Message) {
        match message {
            Message::Ack(batches) => self.acknowledged = *batches,
            Message::Durable(_) => self.told_ends += 1,
            _ => {}
        }
    }

    pub(super) const fn confirm_end(&mut self) {
        self.confirmed_ends += 1;
    }

    pub(super) const fn is_saturated(&self) -> bool {
        self.queued_bytes >= MAX_QUEUED_BYTES
    }

    /// Whether something is being joined, or can be without another word of the peer.
    pub(super) fn is_applying(&self) -> bool {
        let can_join = self.answer.is_some() || self.repair.is_some() && self.has_caught_up();
        self.remote.is_none() || can_join || self.has_ready_arrival()
    }

    /// About how many bytes have arrived that are not applied yet.
    pub(super) fn unapplied_bytes(&self) -> usize {
        let answer = self.answer.as_ref().map_or(0, |(_, answer)| answer.rows.weight());
        let repair = self.repair.as_ref().map_or(0, RepairWrite::weight);
        self.queued_bytes + answer + repair + self.applying_bytes
    }

    /// The session is over: what has not been handed to the storage is not applied.
    pub(super) fn drop_queue(&mut self) {
        self.queue = VecDeque::new();
        self.queued_bytes = 0;
        (self.answer, self.repair) = (None, None);
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

/// An entry takes 16 bytes, and a name with what keeps it about a hundred.
fn weight_of_end(end: &End) -> usize {
    16 * (end.version_vector.len() + end.frontier.len()) + 100 * end.names.len()
}

fn weight_of_unsent(rows: &[UnsentRow]) -> usize {
    rows.iter().map(|row| 64 + row.id.len() + 8 * row.sites.len()).sum()
}

/// Batches that have piled up are applied together up to about this size, because every transaction has a fixed cost.
const MAX_TRANSACTION_BYTES: usize = 1 << 20;

/// Above this, further messages stay unread in the stream.
const MAX_QUEUED_BYTES: usize = 8 << 20;
