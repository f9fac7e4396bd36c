use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::local_write::next_dot;
use crate::{Dot, MAX_CLOCK_SKEW, ShardRead, ShardWrite, Sibling, SiteId, Timestamp, VectorId, replace_row};

/// Why a database takes a new site. The reason decides which of its own versions it writes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteReset {
    /// Another copy of the file is in use under the same site. Rewrites every version of that site, with its old
    /// timestamp.
    Forked,
    /// The clock was ahead and is right again. Rewrites the versions whose timestamps peers would refuse, with new
    /// timestamps.
    ClockCorrected,
}

impl SiteReset {
    /// [`SiteReset::ClockCorrected`] if the last timestamp shows that the node's clock was ahead.
    #[must_use]
    pub fn of_clock(last: Timestamp, wall: Timestamp) -> Option<Self> {
        (last.since(wall) > MAX_CLOCK_SKEW).then_some(Self::ClockCorrected)
    }

    /// Rewrites this node's affected versions of one shard under the site that the database took earlier in the same
    /// transaction. `own` are its former sites. Returns how many versions were rewritten.
    ///
    /// The new version's context covers the old dot, so it replaces the old one on every node. Other versions of the
    /// vector stay as they are.
    ///
    /// # Errors
    /// If the storage fails; the transaction must then be rolled back.
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
            // Damaged content never becomes a new version.
            let hit = mine.filter(|sibling| self.hits(sibling, wall) && sibling.is_intact());
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
