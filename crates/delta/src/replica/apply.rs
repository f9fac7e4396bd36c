use std::collections::{BTreeMap, BTreeSet};

use super::join::{Joined, claims_unknown_changes, join_row};
use super::outcome::{Applied, Ended, Refusal};
use crate::{
    Batch, ChangeId, ChangelogId, Cursor, DeltaError, End, Fingerprint, Held, Hello, ShardState,
    ShardVersion, ShardWrite, SiteId, Timestamp, VectorRow, VersionVector,
};

/// Applies what a peer sends in one session. Keeps the peer's state and what was held back so far.
///
/// Each method works inside one write transaction. After a refusal the transaction must be rolled back and the session
/// ended.
#[derive(Clone, Debug)]
pub struct RemoteApply {
    peer: Fingerprint,
    /// The site that the session's Hello named. What the peer sends is filtered by what that life claimed.
    life: Option<SiteId>,
    changelog: ChangelogId,
    version_vector: ShardVersion,
    position: ChangeId,
    keeps_cursor: bool,
    held_back: bool,
    held_sites: BTreeSet<SiteId>,
}

impl RemoteApply {
    /// For a session with the peer that sent `hello`, which reads the peer's changelog from `position`.
    #[must_use]
    pub fn new(peer: Fingerprint, hello: &Hello, position: ChangeId) -> Self {
        Self {
            peer,
            life: None,
            changelog: hello.changelog,
            version_vector: hello.version_vector.clone(),
            position,
            keeps_cursor: true,
            held_back: false,
            held_sites: BTreeSet::new(),
        }
    }

    /// Stores no cursor: the next session begins where this one did.
    #[must_use]
    pub fn without_cursor(mut self) -> Self {
        self.keeps_cursor = false;
        self
    }

    /// Refuses everything with [`Refusal::NewLife`] once the database's site is no longer `site`.
    #[must_use]
    pub const fn in_life_of(mut self, site: SiteId) -> Self {
        self.life = Some(site);
        self
    }

    /// Adopts what the peer's Hello says of the shard, before any of its rows arrive.
    ///
    /// # Errors
    /// [`Refusal::Forked`] if the peer claims this node's site, or changes of it that this node never made;
    /// [`Refusal::Shard`] with `ERR_DIMENSIONS` if the dimensions differ.
    pub fn accept_hello<W: ShardWrite + ?Sized>(
        shard: &mut W,
        hello: &Hello,
    ) -> Result<(), Refusal<W::Error>> {
        if hello.site == shard.origin().site
            || claims_unknown_changes(shard, |site| hello.version_vector.seq(site))
        {
            return Err(Refusal::Forked);
        }
        let agreed = shard.state().descriptor.agree(&hello.descriptor).map_err(Refusal::Shard)?;
        if agreed != shard.state().descriptor {
            shard.state_mut().descriptor = agreed;
        }
        shard.name_site(hello.site, &hello.node)?;
        Ok(())
    }

    /// Joins the rows of batches in order and advances the cursor. `wall` is this node's clock.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn apply<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        batches: &[Batch],
        wall: Timestamp,
    ) -> Result<Applied, Refusal<W::Error>> {
        self.check_life(shard)?;
        let mut applied = Applied::default();
        for batch in batches {
            self.check_frontiers(shard.state(), &batch.frontier)?;
            for (site, name) in &batch.names {
                shard.name_site(*site, name)?;
            }
            let mut held = HeldRows::new(wall);
            for entry in &batch.rows {
                match join_row(shard, entry, wall)? {
                    Joined::Unchanged => {}
                    Joined::Changed { conflict } => applied.note_change(&entry.id, conflict),
                    Joined::Refused(code) => {
                        self.hold_back(entry);
                        held.add(code, entry);
                    }
                }
            }
            self.advance(batch.position);
            applied.received += batch.rows.len() as u64;
            applied.held.extend(held.into_messages());
        }
        self.store_cursor(shard)?;
        Ok(applied)
    }

    /// Joins the peer's version vector after its last row, except for the sites of rows held back.
    ///
    /// # Errors
    /// See [`Refusal`]; [`Refusal::Shard`] with `ERR_LIMIT` if no message could carry the version vector any more.
    pub fn end<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        end: &End,
    ) -> Result<Ended, Refusal<W::Error>> {
        self.check_life(shard)?;
        self.check_frontiers(shard.state(), &end.frontier)?;
        if claims_unknown_changes(shard, |site| end.version_vector.seq(site)) {
            return Err(Refusal::Forked);
        }
        for (site, name) in &end.names {
            shard.name_site(*site, name)?;
        }
        self.advance(end.position);
        self.store_cursor(shard)?;
        let mut learnt = end.version_vector.clone();
        learnt.remove_sites(&self.held_sites);
        if !shard.state().version_vector.covers_all(&learnt) {
            let joined = shard.state().version_vector.joined(&learnt);
            check_sites(&joined)?;
            shard.state_mut().take_over(joined);
        }
        let state = shard.state();
        let comparable = state.version_vector == end.version_vector && state.is_tight() && end.tight;
        Ok(Ended {
            version_vector: state.version_vector.clone(),
            digests_differ: comparable && state.digest != end.digest,
        })
    }

    fn check_life<W: ShardWrite + ?Sized>(&self, shard: &W) -> Result<(), Refusal<W::Error>> {
        match self.life {
            Some(life) if life != shard.origin().site => Err(Refusal::NewLife),
            _ => Ok(()),
        }
    }

    /// Neither node may have collected tombstones that the other still needs.
    fn check_frontiers<E>(
        &self,
        state: &ShardState,
        peer_frontier: &VersionVector,
    ) -> Result<(), Refusal<E>> {
        let open = self.version_vector.covers_vector(&state.frontier)
            && state.version_vector.covers_vector(peer_frontier);
        if open { Ok(()) } else { Err(Refusal::Frontier) }
    }

    fn hold_back(&mut self, entry: &VectorRow) {
        self.held_back = true;
        self.held_sites.extend(entry.row.context().iter().map(|(site, _)| site));
    }

    /// Once a row is held back, the cursor stays below it for the rest of the session.
    const fn advance(&mut self, position: ChangeId) {
        if !self.held_back {
            self.position = position;
        }
    }

    fn store_cursor<W: ShardWrite + ?Sized>(&self, shard: &mut W) -> Result<(), W::Error> {
        if !self.keeps_cursor {
            return Ok(());
        }
        shard.set_cursor(&self.peer, Cursor { changelog: self.changelog, position: self.position })
    }
}

/// What no message can carry is never stored.
fn check_sites<E>(version_vector: &ShardVersion) -> Result<(), Refusal<E>> {
    let (size, limit) = (version_vector.len() as u64, ShardVersion::MAX_SITES as u64);
    if size <= limit {
        return Ok(());
    }
    Err(Refusal::Shard(DeltaError::Limit { what: "number of sites that changed a shard", size, limit }))
}

struct HeldRows {
    wall: Timestamp,
    by_code: BTreeMap<&'static str, Held>,
}

impl HeldRows {
    const fn new(wall: Timestamp) -> Self {
        Self { wall, by_code: BTreeMap::new() }
    }

    fn add(&mut self, code: &'static str, entry: &VectorRow) {
        let held = self.by_code.entry(code).or_insert_with(|| Held {
            code: code.to_owned(),
            rows: 0,
            shown: Vec::new(),
            newest: Timestamp::default(),
            clock: self.wall,
        });
        held.rows += 1;
        held.newest = held.newest.max(entry.row.newest());
        if held.shown.len() < Held::MAX_SHOWN {
            held.shown.push(entry.id.clone());
        }
    }

    fn into_messages(self) -> impl Iterator<Item = Held> {
        self.by_code.into_values()
    }
}
