use crate::{End, Hello, ShardVersion};

/// What this node knows of whether the two shards may differ, before it has read all of its rows for a peer that says so.
#[derive(Debug)]
pub(super) struct Evidence {
    /// What the peer's Hello claims.
    claimed: ShardVersion,
    is_found: bool,
}

impl Evidence {
    /// That rows of one of the two nodes were altered is reason enough.
    pub(super) fn of(local: &Hello, peer: &Hello) -> Self {
        Self { claimed: peer.version_vector.clone(), is_found: local.is_altered() || peer.is_altered() }
    }

    /// This node has sent this End. Unless the peer claims more, it may have found that both claim the same and hold
    /// different content. What it held at its Hello says nothing: other sessions may have changed that since.
    pub(super) fn note_end(&mut self, end: &End) {
        self.is_found |= end.version_vector.covers_all(&self.claimed);
    }

    /// # Errors
    /// If the peer cannot have found a difference.
    pub(super) const fn check(&self) -> Result<(), &'static str> {
        if self.is_found { Ok(()) } else { Err("a repair of shards that nothing tells apart") }
    }
}
