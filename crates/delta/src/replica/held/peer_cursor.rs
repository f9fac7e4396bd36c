use std::collections::BTreeSet;

use super::held_list::HeldList;
use crate::{
    ChangeId, ChangelogId, Cursor, Dot, Fingerprint, HeldRow, MAX_SAFE_INTEGER, ShardVersion, ShardWrite,
    SiteId, UnsentRow, VectorId, VersionVector,
};

/// How far the peer's changelog was read, and the rows that were passed over on the way: those on the durable list, and
/// those without room there, below which the cursor stays for the rest of the session.
///
/// What a file says: each row of the changelog at or below the cursor is held here, or superseded, or on the list.
#[derive(Clone, Debug)]
pub(in crate::replica) struct PeerCursor {
    peer: Fingerprint,
    changelog: ChangelogId,
    /// Where the session began to read.
    start: ChangeId,
    position: ChangeId,
    /// Whether the cursor is stored, and rows that are passed over are put on the list.
    stores: bool,
    lists: bool,
    /// Whether rows up to the start were on the list when the session began.
    held_before: bool,
    has_stored: bool,
    is_capped: bool,
    /// The sites of all rows that this session has refused.
    refused: BTreeSet<SiteId>,
    /// Whether one of them may have any sites.
    is_blind: bool,
    /// The list: that of the file, or what is left of the one that the session began with.
    list: HeldList,
    /// Whether rows have left the list since [`PeerCursor::take_released`].
    has_released: bool,
}

impl PeerCursor {
    pub(in crate::replica) fn new(peer: Fingerprint, changelog: ChangelogId, start: ChangeId) -> Self {
        Self {
            peer,
            changelog,
            start,
            position: start,
            stores: true,
            lists: false,
            held_before: false,
            has_stored: false,
            is_capped: false,
            refused: BTreeSet::new(),
            is_blind: false,
            list: HeldList::default(),
            has_released: false,
        }
    }

    pub(in crate::replica) const fn store_nothing(&mut self) {
        self.stores = false;
    }

    /// `lists`: whether rows that are refused are put on the list. `held`: what was on it when the session began.
    pub(in crate::replica) fn list_held_rows(&mut self, lists: bool, held: Vec<HeldRow>) {
        self.lists = lists;
        // A session that reads the whole changelog is told all that was on a list.
        self.held_before = !held.is_empty() && !self.is_whole();
        self.list = held.into_iter().filter(|_| self.held_before).collect();
    }

    /// Begins a transaction.
    pub(in crate::replica) fn begin<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
    ) -> Result<(), W::Error> {
        let stored = shard.cursor(&self.peer)?;
        let own = stored.filter(|stored| stored.changelog == self.changelog);
        if stored.is_some() && own.is_none() && (self.has_stored || !self.is_whole()) {
            // A session with another changelog has taken over.
            self.stores = false;
        }
        match own {
            _ if self.is_whole() => self.read_list(shard)?,
            Some(own) if own.position >= self.start => self.read_list(shard)?,
            // The changelog is read from its start again: what was on the list may have been dropped in between.
            Some(_) if self.stores => self.put_back(shard)?,
            // What the file has of the list may be less than was on it when the session began.
            _ => {}
        }
        if self.stores && !self.lists && !self.list.is_empty() {
            self.give_up_the_list(shard)?;
        }
        Ok(())
    }

    /// Takes the file's list for this session's, and reads it only where it has changed.
    fn read_list<W: ShardWrite + ?Sized>(&mut self, shard: &mut W) -> Result<(), W::Error> {
        if shard.held_stamp(&self.peer, self.changelog)? != self.list.stamp() {
            self.list = shard.held_rows(&self.peer, self.changelog)?.into_iter().collect();
            self.has_released = true;
        }
        Ok(())
    }

    /// Puts the rows of this session's list on the file's, and takes that one for this session's. Without room the cursor
    /// is not stored any more.
    fn put_back<W: ShardWrite + ?Sized>(&mut self, shard: &mut W) -> Result<(), W::Error> {
        let known = std::mem::take(&mut self.list);
        self.read_list(shard)?;
        for row in known.rows().collect::<Vec<_>>() {
            let listed = self.list.context(&row.id);
            let missing = missing(listed, &row.context);
            let held = shard.row(&row.id)?;
            if listed == Some(&missing) || held.is_some_and(|held| is_settled(&missing, held.context())) {
                continue;
            }
            if !self.list_row(shard, HeldRow { context: missing, revision: shard.commit_no(), ..row })? {
                (self.stores, self.list) = (false, known);
                break;
            }
        }
        Ok(())
    }

    /// The peer cannot be asked for the rows on the list. What has not come from other peers, it is to tell again, with
    /// all of its changelog.
    fn give_up_the_list<W: ShardWrite + ?Sized>(&mut self, shard: &mut W) -> Result<(), W::Error> {
        for id in self.list.ids().cloned().collect::<Vec<_>>() {
            if let Some(row) = shard.row(&id)? {
                self.note_joined(shard, &id, row.context())?;
            }
        }
        if !self.list.is_empty() {
            self.position = 0;
            self.is_capped = true;
        }
        Ok(())
    }

    pub(in crate::replica) const fn advance(&mut self, position: ChangeId) {
        if !self.is_capped {
            self.position = position;
        }
    }

    /// Stores the cursor. Where it is the first one of its changelog, lists of older ones are dropped; the last one
    /// before it may still have a session that is under way.
    pub(in crate::replica) fn store<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
    ) -> Result<(), W::Error> {
        if !self.stores {
            return Ok(());
        }
        self.has_stored = true;
        if let Some(stored) = shard.cursor(&self.peer)?
            && stored.changelog != self.changelog
        {
            shard.forget_held_rows(&self.peer, [stored.changelog, self.changelog])?;
        }
        shard.set_cursor(&self.peer, Cursor { changelog: self.changelog, position: self.position })
    }

    /// The cursor passes a row that was refused. Its revision is a new one even where it was on the list already: an
    /// answer that is under way may be older than what was refused now.
    pub(in crate::replica) fn hold<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        id: &VectorId,
        context: &VersionVector,
    ) -> Result<(), W::Error> {
        self.exclude(context);
        let context = missing(self.list.context(id), context);
        let row = HeldRow { id: id.clone(), context, revision: shard.commit_no() };
        let is_listed = self.lists && self.stores && self.list_row(shard, row)?;
        self.is_capped |= !is_listed;
        Ok(())
    }

    /// A row that the peer has answered with was refused. Where it is what was missing, the list stays as it is.
    pub(in crate::replica) fn hold_answered<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        id: &VectorId,
        context: &VersionVector,
    ) -> Result<(), W::Error> {
        match self.list.context(id).is_some_and(|known| missing(Some(known), context) == *known) {
            true => self.exclude(context),
            false => self.hold(shard, id, context)?,
        }
        Ok(())
    }

    /// The cursor passes a row that the peer cannot send. What the peer cannot read may have any number.
    pub(in crate::replica) fn hold_unsent<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        row: &UnsentRow,
    ) -> Result<(), W::Error> {
        let mut context = VersionVector::new();
        row.sites.iter().for_each(|site| context.add(Dot { site: *site, seq: MAX_SAFE_INTEGER }));
        self.hold(shard, &row.id, &context)
    }

    /// A row was refused that the cursor does not pass.
    pub(in crate::replica) fn exclude(&mut self, context: &VersionVector) {
        self.refused.extend(context.iter().map(|(site, _)| site));
        self.is_blind |= context.is_empty() || self.refused.len() > MAX_REFUSED_SITES;
        if self.is_blind {
            self.refused.clear();
        }
    }

    /// A row was joined. If it has all that was missing of its vector, it leaves the list.
    pub(in crate::replica) fn note_joined<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        id: &VectorId,
        context: &VersionVector,
    ) -> Result<(), W::Error> {
        match self.list.context(id).is_some_and(|missing| is_settled(missing, context)) {
            true => self.release(shard, id),
            false => Ok(()),
        }
    }

    /// The peer has answered for a row that was asked for: it leaves the list, unless it was refused since then.
    pub(in crate::replica) fn note_answered<W: ShardWrite + ?Sized>(
        &mut self,
        shard: &mut W,
        asked: &HeldRow,
    ) -> Result<(), W::Error> {
        match self.list.is_unchanged(asked) {
            true => self.release(shard, &asked.id),
            false => Ok(()),
        }
    }

    /// What is learnt of what the peer claims: nothing of the sites of rows that were passed over, in this session or
    /// before it.
    pub(in crate::replica) fn learnt(&self, claimed: &ShardVersion) -> ShardVersion {
        let mut excluded = self.refused.clone();
        if self.waits_for_list() {
            let Some(sites) = self.list.sites() else { return ShardVersion::new() };
            excluded.extend(sites);
        }
        if self.is_blind {
            return ShardVersion::new();
        }
        let mut learnt = claimed.clone();
        learnt.remove_sites(&excluded);
        learnt
    }

    /// Whether more of what the peer claims is learnt once rows leave the list.
    pub(in crate::replica) fn waits_for_list(&self) -> bool {
        self.held_before && !self.list.is_empty()
    }

    /// Whether rows have left the list since the last call.
    pub(in crate::replica) const fn take_released(&mut self) -> bool {
        std::mem::replace(&mut self.has_released, false)
    }

    /// Whether rows were passed over, in this session or before it.
    pub(in crate::replica) fn holds_back(&self) -> bool {
        self.is_blind || !self.refused.is_empty() || !self.list.is_empty()
    }

    /// Whether the session reads the changelog from its start.
    const fn is_whole(&self) -> bool {
        self.start == 0
    }

    /// Puts a row on the list. Returns whether there was room.
    fn list_row<W: ShardWrite + ?Sized>(&mut self, shard: &mut W, row: HeldRow) -> Result<bool, W::Error> {
        let fits = self.list.has_room_for(&row) && shard.hold_row(&self.peer, self.changelog, &row)?;
        if fits {
            self.list.insert(row);
        }
        Ok(fits)
    }

    fn release<W: ShardWrite + ?Sized>(&mut self, shard: &mut W, id: &VectorId) -> Result<(), W::Error> {
        let Some(revision) = self.list.remove(id) else { return Ok(()) };
        self.has_released = true;
        shard.release_row(&self.peer, self.changelog, id, revision)
    }
}

/// What is missing of a vector of which this is known already. What is unknown stays so until the peer has answered.
fn missing(known: Option<&VersionVector>, context: &VersionVector) -> VersionVector {
    match known {
        Some(known) if known.is_empty() || context.is_empty() => VersionVector::new(),
        Some(known) => known.joined(context),
        None => context.clone(),
    }
}

/// Whether a row with this context has all that was missing. What is unknown only the peer can settle.
fn is_settled(missing: &VersionVector, context: &VersionVector) -> bool {
    !missing.is_empty() && context.covers_all(missing)
}

/// With more sites of refused rows than this, a session learns nothing of what the peer claims.
const MAX_REFUSED_SITES: usize = 16_384;
