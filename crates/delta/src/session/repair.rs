use std::collections::VecDeque;

use super::{StoreReply, StoreRequest};
use crate::{
    Batch, CommitNo, EndRule, Hello, IdRange, PageSize, Preference, RangeCounts, RangeDigest, RangeDigests,
    RangePage, RangeRows, RepairMessage, ShardSummary,
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
            (RepairMessage::Wanted, stage) if self.leads => {
                self.stage = stage;
                self.begin();
                Ok(())
            }
            (RepairMessage::Counts(counts), Stage::Comparing(asked)) => self.take_counts(&asked, &counts),
            (RepairMessage::Rows(answer), Stage::Exchanging(asked)) => {
                self.take_answer(answer, &asked, nonce)
            }
            (RepairMessage::Digests(digests), Stage::Idle | Stage::Waiting) if !self.leads => {
                self.compare(digests)
            }
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

    fn take_digests(&mut self, read: RangeDigests) {
        self.matches.get_or_insert(read.matches);
        self.send(read.commit_no, RepairMessage::Digests(read.digests.clone()));
        self.stage = Stage::Comparing(read.digests);
    }

    fn take_own_counts(&mut self, read: RangeCounts) -> Result<(), &'static str> {
        if self.matches.is_none() {
            self.matches = Some(read.matches);
            self.allowed = LEAST_SCANS + MOST_PASSES * read.scanned;
        }
        self.stage = Stage::Waiting;
        self.send(read.commit_no, RepairMessage::Counts(read.counts));
        self.count_scanned(read.scanned)
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

    /// The leader's next question, or the end.
    fn ask_next(&mut self) {
        self.questions += 1;
        if self.questions > MOST_QUESTIONS {
            return self.finish(None);
        }
        if let Some(range) = self.exchangeable.pop() {
            return self.read(range.clone(), Stage::Reading(range));
        }
        let mut ranges = self.divisible.split_off(self.divisible.len().saturating_sub(MOST_DIVIDED));
        if ranges.is_empty() {
            return self.finish(None);
        }
        ranges.sort_by(|one, other| one.after.cmp(&other.after));
        self.stage = Stage::Dividing;
        self.steps.push_back(Step::Read(StoreRequest::SplitRanges(ranges)));
    }

    fn take_counts(&mut self, asked: &[RangeDigest], theirs: &[Option<u64>]) -> Result<(), &'static str> {
        if asked.len() != theirs.len() {
            return Err("not as many counts as ranges");
        }
        for (RangeDigest { range, digest }, theirs) in asked.iter().zip(theirs) {
            match theirs {
                None => {}
                Some(theirs) if digest.rows().min(*theirs) <= self.page.rows as u64 => {
                    self.exchangeable.push(range.clone());
                }
                Some(_) => self.divisible.push(range.clone()),
            }
        }
        self.ask_next();
        Ok(())
    }

    /// The other node's rows of a range, or of its beginning.
    fn take_answer(&mut self, answer: RangeRows, asked: &IdRange, nonce: u64) -> Result<(), &'static str> {
        check_rows(&answer, nonce)?;
        let rest = asked.behind(&answer.range);
        let last = answer.rows.rows.last().map(|entry| &entry.id);
        let is_page = rest.as_ref().is_none_or(|rest| rest.is_open() && rest.after.as_ref() == last);
        if answer.range.after != asked.after || !is_page || rest.is_some() && last.is_none() {
            return Err("rows of another range than was asked for");
        }
        if answer.rows.rows.is_empty() {
            self.exchange_rest(rest);
        } else {
            self.join(answer.rows, Stage::Joining(rest));
        }
        Ok(())
    }

    /// The leader has sent all of its rows of this range already.
    fn exchange_rest(&mut self, rest: Option<IdRange>) {
        let Some(range) = rest else { return self.ask_next() };
        self.questions += 1;
        let rows = Batch { nonce: self.nonce, ..Batch::default() };
        self.send(0, RepairMessage::Rows(RangeRows { range: range.clone(), rows }));
        self.stage = Stage::Exchanging(range);
    }

    fn compare(&mut self, digests: Vec<RangeDigest>) -> Result<(), &'static str> {
        let is_open = digests.iter().all(|part| part.range.is_open());
        let follows = |pair: &[RangeDigest]| match (&pair[0].range.to, &pair[1].range.after) {
            (Some(to), Some(after)) => to == after || self.matches.is_some() && to < after,
            _ => false,
        };
        let (Some(first), Some(last)) = (digests.first(), digests.last()) else {
            return Err("a comparison of no ranges");
        };
        // What this node has lost shows only in all of its rows.
        let is_whole = first.range.after.is_none() && last.range.to.is_none();
        if !is_open || !digests.windows(2).all(follows) || self.matches.is_none() && !is_whole {
            return Err("ranges that do not follow each other");
        }
        self.stage = Stage::Answering;
        self.steps.push_back(Step::Read(StoreRequest::CompareRanges(digests)));
        Ok(())
    }

    /// The leader's rows of a range. Joined first, so that the answer has them as well.
    fn take_rows(&mut self, asked: RangeRows, nonce: u64) -> Result<(), &'static str> {
        check_rows(&asked, nonce)?;
        if asked.rows.rows.is_empty() {
            self.read(asked.range, Stage::Answering);
        } else {
            self.join(asked.rows, Stage::Taking(asked.range));
        }
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

    fn count_scanned(&mut self, rows: u64) -> Result<(), &'static str> {
        self.scanned = self.scanned.saturating_add(rows);
        if self.scanned > self.allowed {
            return Err("a repair that compares the same rows again and again");
        }
        Ok(())
    }
}

/// Which content of a version is kept, of a node whose rows are known to be altered or not and such a peer.
pub(super) const fn preference(is_altered: bool, peer_is_altered: bool) -> Preference {
    match (is_altered, peer_is_altered) {
        (true, true) => Preference::Either,
        (true, false) => Preference::Peers,
        (false, true) => Preference::Own,
        (false, false) => Preference::Greater,
    }
}

fn is_able(local: &Hello, peer: &Hello) -> bool {
    let open = |sender: &Hello, receiver: &Hello| sender.version_vector.covers_vector(&receiver.frontier);
    local.can_repair() && peer.can_repair() && open(local, peer) && open(peer, local)
}

fn check_rows(RangeRows { range, rows }: &RangeRows, nonce: u64) -> Result<(), &'static str> {
    if rows.nonce != nonce {
        return Err("rows of another session");
    }
    if !range.is_open() || rows.rows.iter().any(|entry| !range.contains(&entry.id)) {
        return Err("rows outside of their range");
    }
    if rows.rows.len() > RangeRows::MAX_ROWS {
        return Err("more rows of a range than a message may have");
    }
    Ok(())
}

/// The most ranges that are divided at a time.
const MOST_DIVIDED: usize = RepairMessage::MAX_RANGES / 16;

/// A repair that needs more ends early, and the next session goes on.
const MOST_QUESTIONS: u64 = 1 << 20;

/// How many rows the other node reads for the leader at least.
const LEAST_SCANS: u64 = 100_000;

/// How many times it reads all of its rows at most. The leader divides a range by eight or more each time.
const MOST_PASSES: u64 = 32;
