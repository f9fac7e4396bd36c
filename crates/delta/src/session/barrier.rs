use super::StoreRequest;
use crate::{CommitNo, HeldAnswer, RepairMessage, ShardVersion};

/// What waits until the transaction that it was read in is durable.
#[derive(Debug, Default)]
pub(super) struct Barrier {
    durable: CommitNo,
    /// Whether the storage was asked to make a transaction durable.
    awaiting: bool,
    waiting: Vec<(CommitNo, AfterDurable)>,
}

/// What to do then.
#[derive(Debug)]
pub(super) enum AfterDurable {
    SendHello,
    ConfirmEnd(ShardVersion),
    Send(RepairMessage),
    Answer(Box<HeldAnswer>),
}

impl Barrier {
    pub(super) fn after(&mut self, commit_no: CommitNo, action: AfterDurable) {
        self.waiting.push((commit_no, action));
    }

    /// All transactions up to this one are durable.
    pub(super) fn reach(&mut self, commit_no: CommitNo) {
        self.awaiting = false;
        self.durable = self.durable.max(commit_no);
    }

    /// What may be done now, in the order in which it came.
    pub(super) fn take_due(&mut self) -> Vec<AfterDurable> {
        let durable = self.durable;
        let due = self.waiting.extract_if(.., |(commit_no, _)| *commit_no <= durable);
        due.map(|(_, action)| action).collect()
    }

    /// The request for what waits here and for `pages`, unless one is under way.
    pub(super) fn next_request(&mut self, pages: Option<CommitNo>) -> Option<StoreRequest> {
        let newest = self.waiting.iter().map(|(commit_no, _)| *commit_no).chain(pages).max()?;
        if newest <= self.durable || self.awaiting {
            return None;
        }
        self.awaiting = true;
        Some(StoreRequest::AwaitDurable(newest))
    }

    /// The newest transaction that is durable.
    pub(super) const fn durable(&self) -> CommitNo {
        self.durable
    }

    pub(super) const fn is_clear(&self) -> bool {
        self.waiting.is_empty()
    }
}
