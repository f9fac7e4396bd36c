use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::join::{Joined, Preference, claims_unknown_changes, join_row};
use super::outcome::{Applied, Ended, Refusal, Repaired};
use crate::{
    Alteration, Batch, ChangeId, ChangelogId, Cursor, DeltaError, Digest, End, Fingerprint, Held, Hello,
    IdRange, ShardState, ShardSummary, ShardVersion, ShardWrite, SiteId, Timestamp, VectorRow, VersionVector,
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
    rule: EndRule,
    preference: Preference,
    /// The last end that waits for a repair.
    deferred: Option<Box<End>>,
}

/// What becomes of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EndRule {
    /// It is taken over. Whether the digests differ is reported.
    #[default]
    Compare,
    /// It is taken over, unless both nodes would then claim the same changes and hold different content: it waits for a
    /// repair.
    CompareAndDefer,
    /// It waits for a repair in any case.
    Defer,
    /// It is taken over without a comparison: its digest may be older than the repair.
    TakeOver,
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
            rule: EndRule::Compare,
            preference: Preference::Greater,
            deferred: None,
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

    /// Sets what becomes of ends from now on.
    pub const fn set_rule(&mut self, rule: EndRule) {
        self.rule = rule;
    }

    /// Sets which content the rows of batches are joined by.
    pub const fn set_preference(&mut self, preference: Preference) {
        self.preference = preference;
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
            self.join_batch(shard, batch, wall, self.preference, &mut applied)?;
            self.held_back |= !applied.held.is_empty();
            self.advance(batch.position);
        }
        self.store_cursor(shard)?;
        Ok(applied)
    }

    /// Joins rows that a repair brings. Moves neither the cursor nor the version vector.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn join_range<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        rows: &Batch,
        wall: Timestamp,
        preference: Preference,
    ) -> Result<Applied, Refusal<W::Error>> {
        self.check_life(shard)?;
        let mut applied = Applied::default();
        self.join_batch(shard, rows, wall, preference, &mut applied)?;
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
        // Names of other sites would be kept for ever, and nobody would ever show them.
        let known = shard.state().version_vector.clone();
        for (site, name) in
            end.names.iter().filter(|(site, _)| end.version_vector.seq(**site) > known.seq(**site))
        {
            shard.name_site(*site, name)?;
        }
        self.advance(end.position);
        self.store_cursor(shard)?;
        let differs = self.rule != EndRule::TakeOver && self.would_differ(shard.state(), end);
        let deferred = self.rule == EndRule::Defer || self.rule == EndRule::CompareAndDefer && differs;
        if deferred {
            // Later ends of the session are to wait as well.
            self.rule = EndRule::Defer;
            self.deferred = Some(Box::new(end.clone()));
        } else {
            self.take_over(shard, &end.version_vector)?;
        }
        Ok(Ended {
            version_vector: shard.state().version_vector.clone(),
            digests_differ: differs && !deferred,
            deferred,
        })
    }

    /// Ends a repair: takes over the end that waited for it, and lets later ends be taken over without a comparison.
    /// Where the rows do not have the shard's digest, or were altered behind the database's back, the digest is computed
    /// from them anew. `matches`: the rows had the shard's digest when they were read for the repair. The shard remains
    /// to be repaired until [`settle_repair`].
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn finish_repair<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        matches: bool,
    ) -> Result<Repaired, Refusal<W::Error>> {
        self.check_life(shard)?;
        self.rule = EndRule::TakeOver;
        if let Some(end) = self.deferred.take() {
            self.check_frontiers(shard.state(), &end.frontier)?;
            self.take_over(shard, &end.version_vector)?;
        }
        let mut damaged = 0;
        if !matches || shard.alteration()? == Alteration::Present {
            damaged = recount(shard)?;
            shard.set_alteration(Alteration::Present)?;
        }
        let state = shard.state();
        let summary = ShardSummary {
            version_vector: state.version_vector.clone(),
            digest: state.digest,
            tight: state.is_tight(),
        };
        Ok(Repaired { summary, damaged })
    }

    fn join_batch<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        batch: &Batch,
        wall: Timestamp,
        preference: Preference,
        applied: &mut Applied,
    ) -> Result<(), Refusal<W::Error>> {
        self.check_frontiers(shard.state(), &batch.frontier)?;
        for (site, name) in &batch.names {
            shard.name_site(*site, name)?;
        }
        let mut held = HeldRows::new(wall);
        for entry in &batch.rows {
            match join_row(shard, entry, wall, preference)? {
                Joined::Unchanged => {}
                Joined::Changed { conflict } => applied.note_change(&entry.id, conflict),
                Joined::Refused(code) => {
                    self.held_sites.extend(entry.row.context().iter().map(|(site, _)| site));
                    held.add(code, entry);
                }
            }
        }
        applied.received += batch.rows.len() as u64;
        applied.held.extend(held.into_messages());
        Ok(())
    }

    /// Whether both nodes claim the same changes but hold different content, once the end is taken over.
    fn would_differ(&self, state: &ShardState, end: &End) -> bool {
        if !end.tight || state.digest == end.digest {
            return false;
        }
        let claimed = state.version_vector.joined(&self.learnt(&end.version_vector));
        claimed == end.version_vector && claimed.covers_all(&state.received)
    }

    fn take_over<W: ShardWrite + ?Sized>(
        &self,
        shard: &mut W,
        claimed: &ShardVersion,
    ) -> Result<(), Refusal<W::Error>> {
        let learnt = self.learnt(claimed);
        if !shard.state().version_vector.covers_all(&learnt) {
            let joined = shard.state().version_vector.joined(&learnt);
            check_sites(&joined)?;
            shard.state_mut().take_over(joined);
        }
        Ok(())
    }

    /// What the peer claims, except for the sites of rows held back.
    fn learnt(&self, claimed: &ShardVersion) -> ShardVersion {
        let mut learnt = claimed.clone();
        learnt.remove_sites(&self.held_sites);
        learnt
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

/// Notes that a shard was repaired with a peer that holds `peer` after the repair, unless rows are damaged still. A peer
/// that lacks some of what is claimed here may lack what was lost here as well: the shard then remains to be repaired.
///
/// # Errors
/// If the storage fails.
pub fn settle_repair<W: ShardWrite + ?Sized>(shard: &mut W, peer: &ShardVersion) -> Result<(), W::Error> {
    let is_present = shard.alteration()? == Alteration::Present;
    if is_present && peer.covers_all(&shard.state().version_vector) && recount(shard)? == 0 {
        shard.set_alteration(Alteration::Repaired)?;
    }
    Ok(())
}

/// Computes the digest from the rows anew, and notes a shard that is to be repaired: rows of it are damaged, or the digest
/// was that of other rows. Returns how many rows are damaged, and whether the digest was another one.
///
/// # Errors
/// If the storage fails.
pub fn check_rows<W: ShardWrite + ?Sized>(shard: &mut W) -> Result<(u64, bool), W::Error> {
    let before = shard.state().digest;
    let damaged = recount(shard)?;
    let differs = shard.state().digest != before;
    if damaged > 0 || differs {
        shard.set_alteration(Alteration::Present)?;
    }
    Ok((damaged, differs))
}

/// Computes the digest from the rows anew. Returns how many of them do not match their hashes.
fn recount<W: ShardWrite + ?Sized>(shard: &mut W) -> Result<u64, W::Error> {
    let (mut digest, mut damaged) = (Digest::default(), 0);
    let id = shard.shard().clone();
    shard.visit_range(&IdRange::default(), &mut |entry| {
        damaged += u64::from(entry.as_ref().is_none_or(|entry| !entry.row.is_intact()));
        if let Some(entry) = entry {
            digest.add(&id, &entry.id, &entry.row);
        }
        ControlFlow::Continue(())
    })?;
    if shard.state().digest != digest {
        shard.state_mut().digest = digest;
    }
    Ok(damaged)
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
