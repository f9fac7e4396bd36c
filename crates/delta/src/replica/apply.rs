use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::count::{CountedRows, DamagedRows, recount};
use super::held::{HeldMessages, PeerCursor};
use super::join::{Joined, Preference, claims_unknown_changes, join_row};
use super::outcome::{Applied, Ended, Refusal, Repaired};
use super::page::MAX_SCANNED;
use super::site_names::name_sites;
use crate::{
    Alteration, Batch, ChangeId, Cursor, End, Fingerprint, HeldAnswer, HeldRow, Hello, NodeName, ShardState,
    ShardSummary, ShardVersion, ShardWrite, SiteId, Timestamp, UnsentRow, VectorId, VectorRow, VersionVector,
    VisitedRow,
};

/// Applies what a peer sends in one session. Keeps the peer's state and what was held back so far.
///
/// Each method works inside one write transaction. After a refusal the transaction must be rolled back and the session
/// ended.
#[derive(Clone, Debug)]
pub struct RemoteApply {
    /// The site that the session's Hello named. What the peer sends is filtered by what that life claimed.
    life: Option<SiteId>,
    version_vector: ShardVersion,
    /// Whether the peer's version vector covered all that it held.
    was_tight: bool,
    /// How far the peer has read this node's changelog, and whether it has passed over rows on the way.
    read_by_peer: Option<Cursor>,
    peer_passed_over: bool,
    cursor: PeerCursor,
    /// Rows that the next batch or end passes over.
    unsent: Vec<UnsentRow>,
    rule: EndRule,
    preference: Preference,
    /// The last end that waits for a repair.
    deferred: Option<Box<End>>,
    /// What the last end claimed, where some of it was left out because of the list of held rows.
    left_out: Option<(ShardVersion, BTreeMap<SiteId, NodeName>)>,
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
            life: None,
            version_vector: hello.version_vector.clone(),
            was_tight: hello.tight,
            read_by_peer: hello.cursor,
            peer_passed_over: hello.holds_rows(),
            cursor: PeerCursor::new(peer, hello.changelog, position),
            unsent: Vec::new(),
            rule: EndRule::Compare,
            preference: Preference::Greater,
            deferred: None,
            left_out: None,
        }
    }

    /// Stores no cursor: the next session begins where this one did.
    #[must_use]
    pub fn without_cursor(mut self) -> Self {
        self.cursor.store_nothing();
        self
    }

    /// Says whether the cursor may pass rows that are refused, once they are on the list of held rows: only where the
    /// peer can be asked for them. `held`: [`LocalHello::held`](crate::LocalHello::held) of this node's Hello.
    #[must_use]
    pub fn listing(mut self, lists: bool, held: Vec<HeldRow>) -> Self {
        self.cursor.list_held_rows(lists, held);
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

    /// The next batch or end passes over these rows, which the peer cannot send.
    pub fn pass_over(&mut self, unsent: Vec<UnsentRow>) {
        self.unsent.extend(unsent);
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
        // Rows and Ends carry their names along: whoever invents a site for each session leaves nothing behind.
        if is_known(shard, hello.site)? {
            shard.name_site(hello.site, &hello.node)?;
        }
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
        self.begin(shard)?;
        let mut applied = Applied::default();
        for batch in batches {
            for refused in self.join_batch(shard, batch, wall, self.preference, &mut applied)? {
                self.cursor.hold(shard, &refused.id, refused.row.context())?;
            }
            self.cursor.advance(batch.position);
        }
        self.cursor.store(shard)?;
        self.take_over_rest(shard)?;
        Ok(applied)
    }

    /// Joins what the peer answers about rows on the list of held rows, as they stood there when they were asked for.
    /// What is joined or absent leaves the list.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn join_answer<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        asked: &[HeldRow],
        answer: &HeldAnswer,
        wall: Timestamp,
    ) -> Result<Applied, Refusal<W::Error>> {
        self.begin(shard)?;
        let mut applied = Applied::default();
        let mut refused = BTreeSet::new();
        for entry in self.join_batch(shard, &answer.rows, wall, self.preference, &mut applied)? {
            // A session whose rows may have been altered has refused it. It is still so after that: this node's past may
            // have been lost, and a new site loses nothing where it was not.
            if claims_unknown_changes(shard, |site| entry.row.context().seq(site)) {
                return Err(Refusal::Forked);
            }
            self.cursor.hold_answered(shard, &entry.id, entry.row.context())?;
            refused.insert(&entry.id);
        }
        let joined = answer.rows.rows.iter().map(|entry| &entry.id).filter(|id| !refused.contains(id));
        let gone: BTreeSet<&VectorId> = joined.chain(&answer.absent).collect();
        for row in asked.iter().filter(|row| gone.contains(&row.id)) {
            self.cursor.note_answered(shard, row)?;
        }
        self.take_over_rest(shard)?;
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
        self.cursor.begin(shard)?;
        let mut applied = Applied::default();
        for refused in self.join_batch(shard, rows, wall, preference, &mut applied)? {
            self.cursor.exclude(refused.row.context());
        }
        Ok(applied)
    }

    /// Joins the peer's version vector after its last row, except for the sites of rows held back.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn end<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        end: &End,
    ) -> Result<Ended, Refusal<W::Error>> {
        self.begin(shard)?;
        self.check_frontiers(shard.state(), &end.frontier)?;
        if claims_unknown_changes(shard, |site| end.version_vector.seq(site)) {
            return Err(Refusal::Forked);
        }
        self.cursor.advance(end.position);
        self.cursor.store(shard)?;
        let compares = matches!(self.rule, EndRule::Compare | EndRule::CompareAndDefer);
        let differs = compares && self.would_differ(shard, end)?;
        let deferred = self.rule == EndRule::Defer || self.rule == EndRule::CompareAndDefer && differs;
        if deferred {
            // Later ends of the session are to wait as well.
            self.rule = EndRule::Defer;
            self.deferred = Some(Box::new(end.clone()));
        }
        let further_sites = if deferred { 0 } else { self.take_over_end(shard, end)? };
        Ok(Ended {
            further_sites,
            version_vector: shard.state().version_vector.clone(),
            digests_differ: differs && !deferred,
            deferred,
        })
    }

    /// Ends a repair: takes over the end that waited for it, and lets later ends be taken over without a comparison.
    /// Where the rows do not have the shard's digest, or were altered behind the database's back, the digest is computed
    /// from them anew. `matches`: the rows had the shard's digest when they were read for the repair. `counted`: what
    /// [`count_rows`](crate::count_rows) has found lately; without it, all rows are read in this transaction. The shard
    /// remains to be repaired until [`settle_repair`].
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn finish_repair<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        matches: bool,
        counted: Option<&CountedRows>,
    ) -> Result<Repaired, Refusal<W::Error>> {
        self.check_life(shard)?;
        self.rule = EndRule::TakeOver;
        if let Some(end) = self.deferred.take() {
            self.cursor.begin(shard)?;
            self.check_frontiers(shard.state(), &end.frontier)?;
            self.take_over_end(shard, &end)?;
        }
        let mut damaged = DamagedRows::default();
        if !matches || shard.alteration()? == Alteration::Present {
            damaged = recount(shard, counted)?;
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

    /// Begins a transaction of rows of the changelog, of an answer or of an end.
    fn begin<W: ShardWrite + ?Sized>(&mut self, shard: &mut W) -> Result<(), Refusal<W::Error>> {
        self.check_life(shard)?;
        self.cursor.begin(shard)?;
        for row in std::mem::take(&mut self.unsent) {
            self.cursor.hold_unsent(shard, &row)?;
        }
        Ok(())
    }

    /// Joins rows, and returns those that were refused.
    fn join_batch<'b, W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        batch: &'b Batch,
        wall: Timestamp,
        preference: Preference,
        applied: &mut Applied,
    ) -> Result<Vec<&'b VectorRow>, Refusal<W::Error>> {
        self.check_frontiers(shard.state(), &batch.frontier)?;
        let (mut held, mut refused) = (HeldMessages::new(wall), Vec::new());
        for entry in &batch.rows {
            match join_row(shard, entry, wall, preference)? {
                Joined::Unchanged => {}
                Joined::Changed { conflict } => applied.note_change(&entry.id, conflict),
                Joined::Refused(code) => {
                    held.add(code, entry);
                    refused.push(entry);
                    continue;
                }
            }
            // Otherwise the join may not have believed its context.
            if preference == Preference::Greater {
                self.cursor.note_joined(shard, &entry.id, entry.row.context())?;
            }
        }
        name_sites(shard, &batch.names, || {
            let refused: BTreeSet<&VectorId> = refused.iter().map(|entry| &entry.id).collect();
            let joined = batch.rows.iter().filter(|entry| !refused.contains(&entry.id));
            joined.flat_map(|entry| entry.row.context().iter()).map(|(site, _)| site).collect()
        })?;
        applied.received += batch.rows.len() as u64;
        applied.held.extend(held.into_messages());
        Ok(refused)
    }

    /// Whether both nodes claim the same changes but hold different content, once the end is taken over. Versions that
    /// nobody claims may differ as long as one of the nodes still has some to send.
    fn would_differ<W: ShardWrite + ?Sized>(&self, shard: &W, end: &End) -> Result<bool, W::Error> {
        let state = shard.state();
        if state.digest == end.digest {
            return Ok(false);
        }
        let claimed = state.version_vector.joined(&self.cursor.learnt(&end.version_vector));
        if claimed != end.version_vector {
            return Ok(false);
        }
        if end.tight && claimed.covers_all(&state.received) {
            return Ok(true);
        }
        // An end is not tight either if its sender withheld rows, which the digest counts.
        let withheld = self.was_tight && !end.tight;
        let holds_back = self.peer_passed_over || self.cursor.holds_back();
        Ok(!withheld && !holds_back && !self.has_news_for_peer(shard, &end.version_vector)?)
    }

    /// Whether the peer, which claims this, has yet to read rows of this node that it may lack.
    fn has_news_for_peer<W: ShardWrite + ?Sized>(
        &self,
        shard: &W,
        claimed: &ShardVersion,
    ) -> Result<bool, W::Error> {
        let cursor = self.read_by_peer.filter(|cursor| cursor.changelog == shard.origin().changelog);
        let (mut found, mut visited) = (false, 0);
        shard.visit_rows(cursor.map_or(0, |cursor| cursor.position), Some(claimed), &mut |_, news| {
            visited += 1;
            // What is not looked at may be news.
            found = visited > MAX_SCANNED || !matches!(news, VisitedRow::Covered);
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(found)
    }

    /// Takes over what an end claims. Returns how many sites there was no room for.
    fn take_over_end<W: ShardWrite + ?Sized>(&mut self, shard: &mut W, end: &End) -> Result<u64, W::Error> {
        self.take_over(shard, &end.version_vector, &end.names)
    }

    /// Rows have left the list of held rows: takes over what the last end claimed of them. No other end may follow.
    fn take_over_rest<W: ShardWrite + ?Sized>(&mut self, shard: &mut W) -> Result<(), W::Error> {
        if self.rule != EndRule::Defer
            && self.cursor.take_released()
            && let Some((claimed, names)) = self.left_out.take()
        {
            self.take_over(shard, &claimed, &names)?;
        }
        Ok(())
    }

    /// Takes over what is claimed, and the names of the sites that are new with it. Returns how many sites there was no
    /// room for.
    fn take_over<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        claimed: &ShardVersion,
        names: &BTreeMap<SiteId, NodeName>,
    ) -> Result<u64, W::Error> {
        self.left_out = self.cursor.waits_for_list().then(|| (claimed.clone(), names.clone()));
        let known = shard.state().version_vector.clone();
        let further = take_over_claims(shard, &self.cursor.learnt(claimed));
        let now = shard.state().version_vector.clone();
        name_sites(shard, names, || {
            names.keys().filter(|site| now.seq(**site) > known.seq(**site)).copied().collect()
        })?;
        Ok(further)
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
}

/// Notes that a shard was repaired with a peer that holds `peer` after the repair, unless rows are damaged still. A peer
/// that lacks some of what is claimed here may lack what was lost here as well: the shard then remains to be repaired.
/// `counted`: as for [`RemoteApply::finish_repair`].
///
/// # Errors
/// If the storage fails.
pub fn settle_repair<W: ShardWrite + ?Sized>(
    shard: &mut W,
    peer: &ShardVersion,
    counted: Option<&CountedRows>,
) -> Result<(), W::Error> {
    let is_present = shard.alteration()? == Alteration::Present;
    let holds_all = is_present && peer.covers_all(&shard.state().version_vector);
    if holds_all && recount(shard, counted)?.count == 0 {
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
    let damaged = recount(shard, None)?.count;
    let differs = shard.state().digest != before;
    if damaged > 0 || differs {
        shard.set_alteration(Alteration::Present)?;
    }
    Ok((damaged, differs))
}

/// Whether something of the site was taken in, here or in another shard.
fn is_known<W: ShardWrite + ?Sized>(shard: &W, site: SiteId) -> Result<bool, W::Error> {
    let state = shard.state();
    let is_held = state.version_vector.seq(site) > 0 || state.received.seq(site) > 0;
    Ok(is_held || shard.site_name(site)?.is_some())
}

/// Joins `learnt` with what is claimed here. Returns how many sites there was no room for.
fn take_over_claims<W: ShardWrite + ?Sized>(shard: &mut W, learnt: &ShardVersion) -> u64 {
    if shard.state().version_vector.covers_all(learnt) {
        return 0;
    }
    let joined = shard.state().version_vector.joined(learnt);
    if joined.len() <= ShardVersion::MAX_SITES_OF_PEERS {
        shard.state_mut().take_over(joined);
        return 0;
    }
    // What no message can carry is never stored. The rows of further sites are, and nothing is claimed of those.
    let known = shard.state().version_vector.clone();
    let further = joined.len() - known.len();
    let claimable: ShardVersion = learnt.iter().filter(|(site, _)| known.seq(*site) > 0).collect();
    shard.state_mut().take_over(known.joined(&claimable));
    further as u64
}
