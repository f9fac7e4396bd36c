mod evidence;
mod follower;
mod leader;
mod rules;
mod steps;

use std::collections::VecDeque;

use evidence::Evidence;
use rules::is_able;
pub(super) use rules::preference;

use super::{StoreReply, StoreRequest};
use crate::{
    Batch, CommitNo, End, EndRule, Hello, IdRange, PageSize, Preference, RangeDigest, RangePage, RangeRows,
    RepairMessage, ShardSummary,
};

/// The repair of a session, at most one: finds the ranges in which the two shards differ, and has their rows exchanged
/// and joined.
///
/// One of the two nodes leads: it asks, one question at a time, and the other one answers. It begins with all rows, divides
/// what differs until one of the two has few rows there, and then exchanges these. Both nodes end by computing what they
/// hold, and compare that.
#[derive(Debug)]
pub(super) struct Repair {
    able: bool,
    leads: bool,
    /// Whether this node's Hello says so, and whether the peer's does.
    is_altered: bool,
    peer_is_altered: bool,
    /// Whether the peer had all that this node claims of others before it took over any claim of this session, and lost none
    /// of it.
    may_settle: bool,
    evidence: Evidence,
    stage: Stage,
    nonce: u64,
    page: PageSize,
    /// Whether this node's rows had the digest that the shard keeps; `None` before they were read.
    matches: Option<bool>,
    /// Ranges that differ: to be divided, and to be exchanged.
    divisible: Vec<IdRange>,
    exchangeable: Vec<IdRange>,
    /// What the leader has asked.
    questions: u64,
    /// The rows that the other node has read for the leader, and how many it may.
    scanned: u64,
    allowed: u64,
    /// Ends that wait for the repair.
    held_ends: u64,
    /// Whether the two shards contradict each other even after the repair.
    differs: bool,
    steps: VecDeque<Step>,
}

/// What the session has to do for the repair.
#[derive(Debug)]
pub(super) enum Step {
    /// Have something read, or noted.
    Read(StoreRequest),
    /// Send a message, once this transaction is durable.
    Send(CommitNo, RepairMessage),
    /// Have the peer's rows joined.
    Join(Batch, Preference),
    /// Have the repair ended in the storage. Whether the rows had the shard's digest.
    Finish(bool),
}

#[derive(Debug)]
enum Stage {
    /// Nothing has differed so far.
    Idle,
    /// The storage divides ranges.
    Dividing,
    /// The peer compares these.
    Comparing(Vec<RangeDigest>),
    /// The storage reads rows of this range.
    Reading(IdRange),
    /// The peer sends its rows of this range.
    Exchanging(IdRange),
    /// The storage joins rows. What of their range is yet to be exchanged.
    Joining(Option<IdRange>),
    /// The other node waits for a question.
    Waiting,
    /// The other node compares or reads.
    Answering,
    /// The other node joins rows, and then reads its own of this range.
    Taking(IdRange),
    /// The storage ends the repair. What the leader holds, where it has said so.
    Finishing(Option<Box<ShardSummary>>),
    /// The leader waits for what the other node holds.
    Comparison(Box<ShardSummary>),
    Over,
}

impl Repair {
    pub(super) fn new(local: &Hello, peer: &Hello, page: PageSize) -> Self {
        Self {
            able: is_able(local, peer),
            leads: local.site < peer.site,
            is_altered: local.is_altered(),
            peer_is_altered: peer.is_altered(),
            may_settle: !peer.is_altered()
                && local
                    .version_vector
                    .beyond(&peer.version_vector)
                    .iter()
                    .all(|(site, _)| site == local.site),
            evidence: Evidence::of(local, peer),
            stage: Stage::Idle,
            nonce: peer.nonce,
            page: PageSize { rows: page.rows.clamp(1, RangeRows::MAX_ROWS), ..page },
            matches: None,
            divisible: Vec::new(),
            exchangeable: Vec::new(),
            questions: 0,
            scanned: 0,
            allowed: u64::MAX,
            held_ends: 0,
            differs: false,
            steps: VecDeque::new(),
        }
    }

    /// What becomes of the peer's ends.
    pub(super) fn rule(local: &Hello, peer: &Hello) -> EndRule {
        if !is_able(local, peer) {
            EndRule::Compare
        } else if local.is_altered() || peer.is_altered() {
            EndRule::Defer
        } else {
            EndRule::CompareAndDefer
        }
    }

    /// Begins, unless it has begun. The node that does not lead asks the other one to.
    pub(super) fn begin(&mut self) {
        if !matches!(self.stage, Stage::Idle) {
            return;
        }
        if self.leads {
            self.divisible.push(IdRange::default());
            self.ask_next();
        } else {
            self.stage = Stage::Waiting;
            self.send(0, RepairMessage::Wanted);
        }
    }

    /// This node's End is sent now.
    pub(super) fn note_end(&mut self, end: &End) {
        self.evidence.note_end(end);
    }

    /// An end waits for the repair.
    pub(super) fn hold_end(&mut self) {
        self.held_ends += 1;
        self.begin();
    }

    /// Handles a message of the peer. `nonce` is that of this node's Hello.
    pub(super) fn receive(&mut self, message: RepairMessage, nonce: u64) -> Result<(), &'static str> {
        if !self.able {
            return Err("a repair that was not agreed upon");
        }
        match (message, std::mem::replace(&mut self.stage, Stage::Over)) {
            (RepairMessage::Wanted, Stage::Idle) if self.leads => {
                self.evidence.check()?;
                self.stage = Stage::Idle;
                self.begin();
                Ok(())
            }
            (RepairMessage::Wanted, stage) if self.leads => {
                self.stage = stage;
                Ok(())
            }
            (RepairMessage::Counts(counts), Stage::Comparing(asked)) => self.take_counts(&asked, &counts),
            (RepairMessage::Rows(answer), Stage::Exchanging(asked)) => {
                self.take_answer(answer, &asked, nonce)
            }
            (RepairMessage::Digests(digests), Stage::Idle) if !self.leads => {
                self.evidence.check()?;
                self.compare(digests)
            }
            (RepairMessage::Digests(digests), Stage::Waiting) if !self.leads => self.compare(digests),
            (RepairMessage::Rows(asked), Stage::Waiting) if self.matches.is_some() => {
                self.take_rows(asked, nonce)
            }
            (RepairMessage::State(theirs), Stage::Waiting) if self.matches.is_some() => {
                self.finish(Some(Box::new(theirs)));
                Ok(())
            }
            (RepairMessage::State(theirs), Stage::Comparison(ours)) => {
                self.compare_summaries(&ours, theirs);
                Ok(())
            }
            _ => Err("a message of a repair out of turn"),
        }
    }

    /// Handles the reply to a [`Step::Read`]. Fails if the peer has asked for more work than a repair of this shard needs.
    pub(super) fn take_read(&mut self, reply: StoreReply) -> Result<(), &'static str> {
        match reply {
            StoreReply::RangeDigests(read) => {
                self.take_digests(*read);
                Ok(())
            }
            StoreReply::RangeCounts(read) => self.take_own_counts(*read),
            StoreReply::RangePage(page) => self.take_page(*page),
            _ => Ok(()),
        }
    }

    pub(super) fn take_joined(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Joining(rest) => self.exchange_rest(rest),
            Stage::Taking(range) => self.read(range, Stage::Answering),
            stage => self.stage = stage,
        }
    }

    /// The storage has ended the repair. Returns how many ends were waiting for it.
    pub(super) fn take_finished(&mut self, ours: ShardSummary, commit_no: CommitNo) -> u64 {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Finishing(Some(theirs)) => self.compare_summaries(&ours, *theirs),
            _ => self.stage = Stage::Comparison(Box::new(ours.clone())),
        }
        self.send(commit_no, RepairMessage::State(ours));
        std::mem::take(&mut self.held_ends)
    }

    pub(super) fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Whether the session cannot end yet.
    pub(super) const fn is_running(&self) -> bool {
        !matches!(self.stage, Stage::Idle | Stage::Over)
    }

    pub(super) const fn has_begun(&self) -> bool {
        !matches!(self.stage, Stage::Idle)
    }

    /// Whether ends of the peer have to wait: their digests may be older than what the repair joins.
    pub(super) const fn defers_ends(&self) -> bool {
        self.is_running() && !matches!(self.stage, Stage::Comparison(_))
    }

    /// Whether the two shards contradict each other even after the repair.
    pub(super) const fn differs(&self) -> bool {
        self.differs
    }

    fn take_page(&mut self, page: RangePage) -> Result<(), &'static str> {
        if let Stage::Reading(asked) = &self.stage {
            self.exchangeable.extend(asked.behind(&page.range));
            self.stage = Stage::Exchanging(page.range.clone());
        } else {
            self.stage = Stage::Waiting;
            self.count_scanned(page.scanned)?;
        }
        let RangePage { rows, range, names, frontier, commit_no, .. } = page;
        let rows = Batch { nonce: self.nonce, frontier, names, rows, ..Batch::default() };
        self.send(commit_no, RepairMessage::Rows(RangeRows { range, rows }));
        Ok(())
    }

    fn read(&mut self, range: IdRange, stage: Stage) {
        self.stage = stage;
        self.steps.push_back(Step::Read(StoreRequest::ReadRange { range, size: self.page }));
    }

    fn join(&mut self, rows: Batch, stage: Stage) {
        self.stage = stage;
        let preference = preference(self.needs_repair(), self.peer_is_altered);
        self.steps.push_back(Step::Join(rows, preference));
    }

    fn finish(&mut self, theirs: Option<Box<ShardSummary>>) {
        self.stage = Stage::Finishing(theirs);
        self.steps.push_back(Step::Finish(self.matches == Some(true)));
    }

    fn compare_summaries(&mut self, ours: &ShardSummary, theirs: ShardSummary) {
        self.differs = ours.contradicts(&theirs);
        if !self.differs && self.may_settle && self.needs_repair() {
            self.steps.push_back(Step::Read(StoreRequest::SettleRepair(theirs.version_vector)));
        }
    }

    /// Whether rows of this node are known to be lost or altered.
    fn needs_repair(&self) -> bool {
        self.is_altered || self.matches == Some(false)
    }

    fn send(&mut self, commit_no: CommitNo, message: RepairMessage) {
        self.steps.push_back(Step::Send(commit_no, message));
    }
}
