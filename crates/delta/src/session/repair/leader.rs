//! What the leader asks, and what becomes of the answers.

use super::rules::check_rows;
use super::{Repair, Stage, Step};
use crate::session::StoreRequest;
use crate::{Batch, IdRange, RangeDigest, RangeDigests, RangeRows, RepairMessage};

impl Repair {
    pub(super) fn take_digests(&mut self, read: RangeDigests) {
        self.matches.get_or_insert(read.matches);
        self.send(read.commit_no, RepairMessage::Digests(read.digests.clone()));
        self.stage = Stage::Comparing(read.digests);
    }

    /// The leader's next question, or the end.
    pub(super) fn ask_next(&mut self) {
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

    pub(super) fn take_counts(
        &mut self,
        asked: &[RangeDigest],
        theirs: &[Option<u64>],
    ) -> Result<(), &'static str> {
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
    pub(super) fn take_answer(
        &mut self,
        answer: RangeRows,
        asked: &IdRange,
        nonce: u64,
    ) -> Result<(), &'static str> {
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
    pub(super) fn exchange_rest(&mut self, rest: Option<IdRange>) {
        let Some(range) = rest else { return self.ask_next() };
        self.questions += 1;
        let rows = Batch { nonce: self.nonce, ..Batch::default() };
        self.send(0, RepairMessage::Rows(RangeRows { range: range.clone(), rows }));
        self.stage = Stage::Exchanging(range);
    }
}

/// The most ranges that are divided at a time.
const MOST_DIVIDED: usize = RepairMessage::MAX_RANGES / 16;

/// A repair that needs more ends early, and the next session goes on.
const MOST_QUESTIONS: u64 = 1 << 20;
