use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::local_write::next_dot;
use crate::{
    Dot, MAX_CLOCK_SKEW, ShardRead, ShardWrite, Sibling, SiteId, Timestamp, VectorId, VisitedRow, replace_row,
};

/// Why a database takes a new site. The reason decides which of its own versions it writes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteReset {
    /// A copy of the running node goes on under the same site. Every version of that site is written again, with its old
    /// timestamp and a context that does not cover what the copy may have written to the vector; nothing of the site is
    /// claimed any more, so that everything of it is sent again.
    Forked,
    /// The clock was ahead and is right again. Rewrites the versions whose timestamps peers would refuse, with new
    /// timestamps.
    ClockCorrected,
}

/// What a node knows of the true time.
#[derive(Clone, Copy, Debug)]
pub struct ClockEvidence {
    /// Its own clock.
    pub wall: Timestamp,
    /// The clock of a peer, as its Hello says.
    pub peer: Timestamp,
    /// The newest stamp of another site that it holds: each was accepted, and so was not in the future.
    pub newest_foreign: Timestamp,
    /// A moment that has certainly passed, such as the making of the program.
    pub not_before: Timestamp,
}

impl SiteReset {
    /// [`SiteReset::ClockCorrected`] if the node's clock was ahead when it wrote `last`, its newest stamp, and is right
    /// now. A clock that is behind looks the same to the node alone, and to rewrite its versions would make them lose to
    /// older ones for good, so all of `evidence` must agree.
    #[must_use]
    pub fn of_clock(last: Timestamp, evidence: &ClockEvidence) -> Option<Self> {
        let ClockEvidence { wall, peer, newest_foreign, not_before } = *evidence;
        let was_ahead = last.since(wall) > MAX_CLOCK_SKEW && last.since(peer) > MAX_CLOCK_SKEW;
        let apart = wall.since(peer).max(peer.since(wall));
        let is_behind =
            wall < not_before || newest_foreign.since(wall) > MAX_CLOCK_SKEW || apart > 2 * MAX_CLOCK_SKEW;
        (was_ahead && !is_behind).then_some(Self::ClockCorrected)
    }

    /// Rewrites this node's affected versions of one shard under the site that the database took earlier in the same
    /// transaction. `own` are the former sites that are concerned: after a fork the one that was left. Returns how many
    /// versions were rewritten.
    ///
    /// After a corrected clock the new version's context covers the old dot, so it replaces the old one on every node.
    /// After a fork the old one comes back from peers beside the new one: two equal versions are no conflict. Other
    /// versions of the vector stay as they are.
    ///
    /// # Errors
    /// If the storage fails; the transaction must then be rolled back.
    pub fn rewrite<W: ShardWrite + ?Sized>(
        self,
        shard: &mut W,
        own: &BTreeSet<SiteId>,
        wall: Timestamp,
    ) -> Result<usize, W::Error> {
        if self == Self::Forked {
            let state = shard.state_mut();
            state.version_vector.remove_sites(own);
            // Nobody may ever claim the last of them; what comes back is counted again.
            state.received.remove_sites(own);
            shard.forget_cursors()?;
        }
        let affected = self.affected(shard, own, wall)?;
        for (id, dot) in &affected {
            let Some(old) = shard.row(id)? else { continue };
            let Some(sibling) = old.sibling(*dot).cloned() else { continue };
            let stamp = self.stamp(shard, &sibling, wall);
            let renumbered = sibling.renumbered(next_dot(shard)?, stamp);
            let mut new = old.with_replaced(&[*dot], renumbered);
            if self == Self::Forked {
                new = new.without_history_of(own);
            }
            replace_row(shard, id, Some(&old), &new)?;
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
            let VisitedRow::Row(entry) = row else { return ControlFlow::Continue(()) };
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
