use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::local_write::next_dot;
use crate::{Dot, MAX_CLOCK_SKEW, ShardRead, ShardWrite, Sibling, SiteId, Timestamp, VectorId, replace_row};

/// Why a database takes a new site, and what of its own it then writes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteReset {
    /// Another file goes on under the same site: every version of that site is written again, with its old stamp.
    Forked,
    /// The clock was ahead and is right again: versions stamped beyond what peers accept are written again, with
    /// stamps of the right clock.
    ClockCorrected,
}

impl SiteReset {
    /// Whether a node whose last stamp was `last` had its clock ahead.
    #[must_use]
    pub fn of_clock(last: Timestamp, wall: Timestamp) -> Option<Self> {
        (last.since(wall) > MAX_CLOCK_SKEW).then_some(Self::ClockCorrected)
    }

    /// Writes this node's affected versions of one shard again, under the site that the database has taken just
    /// before, in the same transaction. `own` are its former sites. Returns how many were written.
    ///
    /// The new version's context covers the old dot, so it takes the old one's place everywhere; other versions of
    /// the vector are left as they are.
    ///
    /// # Errors
    /// Where the storage fails: the transaction must then be rolled back.
    pub fn rewrite<W: ShardWrite + ?Sized>(
        self,
        shard: &mut W,
        own: &BTreeSet<SiteId>,
        wall: Timestamp,
    ) -> Result<usize, W::Error> {
        let affected = self.affected(shard, own, wall)?;
        for (id, dot) in &affected {
            let Some(old) = shard.row(id)? else { continue };
            let Some(sibling) = old.sibling(*dot).cloned() else { continue };
            let stamp = self.stamp(shard, &sibling, wall);
            let renumbered = sibling.renumbered(next_dot(shard)?, stamp);
            replace_row(shard, id, Some(&old), &old.with_replaced(&[*dot], renumbered))?;
        }
        Ok(affected.len())
    }

    fn affected<R: ShardRead + ?Sized>(
        self,
        shard: &R,
        own: &BTreeSet<SiteId>,
        wall: Timestamp,
    ) -> Result<Vec<(VectorId, Dot)>, R::Error> {
        let mut affected = Vec::new();
        shard.visit_rows(0, None, &mut |_, row| {
            let Some(entry) = row else { return ControlFlow::Continue(()) };
            let mine = entry.row.siblings().iter().filter(|sibling| own.contains(&sibling.dot().site));
            let hit = mine.filter(|sibling| self.hits(sibling, wall));
            affected.extend(hit.map(|sibling| (entry.id.clone(), sibling.dot())));
            ControlFlow::Continue(())
        })?;
        Ok(affected)
    }

    fn hits(self, sibling: &Sibling, wall: Timestamp) -> bool {
        match self {
            Self::Forked => true,
            Self::ClockCorrected => sibling.timestamp().since(wall) > MAX_CLOCK_SKEW,
        }
    }

    fn stamp<W: ShardWrite + ?Sized>(self, shard: &mut W, sibling: &Sibling, wall: Timestamp) -> Timestamp {
        match self {
            Self::Forked => sibling.timestamp(),
            Self::ClockCorrected => {
                let stamp = Timestamp::of_write(wall, shard.last_stamp(), None);
                shard.set_last_stamp(stamp);
                stamp
            }
        }
    }
}
