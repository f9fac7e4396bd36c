//! What the other node answers the leader, and how much it reads for it.

use super::rules::check_rows;
use super::{Repair, Stage, Step};
use crate::session::StoreRequest;
use crate::{RangeCounts, RangeDigest, RangeRows, RepairMessage};

impl Repair {
    pub(super) fn compare(&mut self, digests: Vec<RangeDigest>) -> Result<(), &'static str> {
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

    pub(super) fn take_own_counts(&mut self, read: RangeCounts) -> Result<(), &'static str> {
        if self.matches.is_none() {
            self.matches = Some(read.matches);
            self.allowed = LEAST_SCANS + MOST_PASSES * read.scanned;
        }
        self.stage = Stage::Waiting;
        self.send(read.commit_no, RepairMessage::Counts(read.counts));
        self.count_scanned(read.scanned)
    }

    /// The leader's rows of a range. Joined first, so that the answer has them as well.
    pub(super) fn take_rows(&mut self, asked: RangeRows, nonce: u64) -> Result<(), &'static str> {
        check_rows(&asked, nonce)?;
        if asked.rows.rows.is_empty() {
            self.read(asked.range, Stage::Answering);
        } else {
            self.join(asked.rows, Stage::Taking(asked.range));
        }
        Ok(())
    }

    pub(super) fn count_scanned(&mut self, rows: u64) -> Result<(), &'static str> {
        self.scanned = self.scanned.saturating_add(rows);
        if self.scanned > self.allowed {
            return Err("a repair that compares the same rows again and again");
        }
        Ok(())
    }
}

/// How many rows this node reads for the leader at least.
const LEAST_SCANS: u64 = 10_000;

/// How many times it reads all of its rows at most. The leader divides a range by eight or more each time, down to 64 rows,
/// so that this is enough for more rows than a file can have.
const MOST_PASSES: u64 = 16;
