use std::ops::ControlFlow;

use crate::{
    ChangeId, ChangelogId, CommitNo, Cursor, DeltaError, Descriptor, Digest, Dot, Fingerprint, HeldRow,
    HeldStamp, IdRange, NodeName, Row, ShardId, ShardVersion, SiteId, Strategy, Timestamp, VectorId,
    VectorRow, VersionVector,
};

/// The identity of a database in its current incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The site of changes made here.
    pub site: SiteId,
    /// The changelog that change ids belong to.
    pub changelog: ChangelogId,
    /// The node's name, once it is known.
    pub node: Option<NodeName>,
}

/// What a shard stores besides its rows. It changes in the same transactions as they do.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ShardState {
    /// Every dot inside it is held, superseded by something held, or below the frontier.
    pub version_vector: ShardVersion,
    /// For each site the newest dot received that the version vector does not cover, or did not when it came.
    pub received: ShardVersion,
    /// Tombstones below it may have been collected.
    pub frontier: VersionVector,
    /// The properties that the shard's nodes agree on.
    pub descriptor: Descriptor,
    /// How this node resolves concurrent versions.
    pub strategy: Strategy,
    /// The digest of the rows.
    pub digest: Digest,
}

impl ShardState {
    /// Whether a version with this dot was ever written or received here. A row with another one was altered behind the
    /// database's back.
    pub(super) fn has_heard_of(&self, dot: Dot) -> bool {
        self.version_vector.covers(dot) || self.received.covers(dot)
    }

    /// Whether the version vector covers every dot held. Never wrongly true; it may stay false for a while after the
    /// last uncovered dot was superseded.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        self.version_vector.covers_all(&self.received)
    }

    /// Replaces the version vector by a greater one.
    pub fn take_over(&mut self, version_vector: ShardVersion) {
        self.version_vector = version_vector;
        self.received = self.received.beyond(&self.version_vector);
    }

    fn receive(&mut self, dot: Dot) {
        if !self.version_vector.covers(dot) {
            self.received.add(dot);
        }
    }
}

/// What is known of rows that another program altered or removed, or that do not match their hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Alteration {
    /// There were none.
    #[default]
    None,
    /// There were some, and the digest is that of the rows again. What was lost may yet come back from a peer, this site's
    /// own changes as well.
    Repaired,
    /// There are some: the next session is to repair the shard.
    Present,
}

/// Called by [`ShardRead::visit_rows`] with each row's change id, and what there is of it.
pub type RowVisitor<'v> = &'v mut dyn FnMut(ChangeId, VisitedRow) -> ControlFlow<()>;

/// A row of the changelog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VisitedRow {
    /// The filter covers it.
    Covered,
    /// The whole row.
    Row(VectorRow),
    /// The row of this vector cannot be read at all.
    Unreadable(VectorId),
}

/// Called by [`ShardRead::visit_range`] with each row; `None` for one that cannot be read at all.
pub type RangeVisitor<'v> = &'v mut dyn FnMut(Option<VectorRow>) -> ControlFlow<()>;

/// One shard inside one read transaction: everything that it returns is of one snapshot.
pub trait ShardRead {
    /// The storage's error.
    type Error: From<DeltaError>;

    /// The shard's id.
    fn shard(&self) -> &ShardId;

    /// The identity of the database.
    fn origin(&self) -> &Origin;

    /// What is stored besides the rows.
    fn state(&self) -> &ShardState;

    /// The last write transaction that is visible here.
    fn commit_no(&self) -> CommitNo;

    /// How far this node has read the changelog of the peer with this certificate.
    ///
    /// # Errors
    /// If the storage fails.
    fn cursor(&self, peer: &Fingerprint) -> Result<Option<Cursor>, Self::Error>;

    /// What shows whether the list of held rows of that peer's changelog is still the same, without reading it.
    ///
    /// # Errors
    /// If the storage fails.
    fn held_stamp(&self, peer: &Fingerprint, changelog: ChangelogId) -> Result<HeldStamp, Self::Error>;

    /// The rows of that peer's changelog on the list of held rows.
    ///
    /// # Errors
    /// If the storage fails.
    fn held_rows(&self, peer: &Fingerprint, changelog: ChangelogId) -> Result<Vec<HeldRow>, Self::Error>;

    /// The name of a site's node.
    ///
    /// # Errors
    /// If the storage fails.
    fn site_name(&self, site: SiteId) -> Result<Option<NodeName>, Self::Error>;

    /// Visits the rows with a change id above `after`, in the order of change ids, until the visitor breaks. A row
    /// whose siblings `filter` covers is visited without its content.
    ///
    /// # Errors
    /// If the storage fails.
    fn visit_rows(
        &self,
        after: ChangeId,
        filter: Option<&ShardVersion>,
        visit: RowVisitor<'_>,
    ) -> Result<(), Self::Error>;

    /// Visits the row of a vector, if the shard has one.
    ///
    /// # Errors
    /// If the storage fails.
    fn visit_row(&self, id: &VectorId, visit: RangeVisitor<'_>) -> Result<(), Self::Error>;

    /// Visits the rows of a range, in the order of ids, until the visitor breaks.
    ///
    /// # Errors
    /// If the storage fails.
    fn visit_range(&self, range: &IdRange, visit: RangeVisitor<'_>) -> Result<(), Self::Error>;

    /// What is known of rows that were altered or lost behind the database's back.
    ///
    /// # Errors
    /// If the storage fails.
    fn alteration(&self) -> Result<Alteration, Self::Error>;

    /// A number that grows with each alteration that is noticed, and with each call of [`ShardWrite::count_alteration`].
    ///
    /// # Errors
    /// If the storage fails.
    fn alterations(&self) -> Result<u64, Self::Error>;
}

/// One shard inside one write transaction. The caller commits it as a whole, or rolls all of it back.
pub trait ShardWrite: ShardRead {
    /// What is stored besides the rows, for writing.
    fn state_mut(&mut self) -> &mut ShardState;

    /// The row of a vector.
    ///
    /// # Errors
    /// If the storage fails.
    fn row(&mut self, id: &VectorId) -> Result<Option<Row>, Self::Error>;

    /// Replaces `old` with `new` under a new change id, one that no row of this changelog has ever had.
    /// Only [`replace_row`](crate::replace_row) calls this: it keeps the digest in step.
    ///
    /// # Errors
    /// If the storage fails.
    fn put_row(&mut self, id: &VectorId, old: Option<&Row>, new: &Row) -> Result<(), Self::Error>;

    /// Like [`ShardWrite::put_row`] if the shard has no row of this vector; otherwise changes nothing and returns
    /// false. Storage that notices an existing row while inserting can override it.
    ///
    /// # Errors
    /// If the storage fails.
    fn insert_row(&mut self, id: &VectorId, new: &Row) -> Result<bool, Self::Error> {
        if self.row(id)?.is_some() {
            return Ok(false);
        }
        self.put_row(id, None, new)?;
        Ok(true)
    }

    /// Stores what [`ShardRead::alteration`] answers, until another alteration is noticed.
    ///
    /// # Errors
    /// If the storage fails.
    fn set_alteration(&mut self, alteration: Alteration) -> Result<(), Self::Error>;

    /// Counts up [`ShardRead::alterations`] of a shard whose rows were altered.
    ///
    /// # Errors
    /// If the storage fails.
    fn count_alteration(&mut self) -> Result<(), Self::Error>;

    /// Stores how far the peer's changelog has been read.
    ///
    /// # Errors
    /// If the storage fails.
    fn set_cursor(&mut self, peer: &Fingerprint, cursor: Cursor) -> Result<(), Self::Error>;

    /// Puts a row on the list of held rows, or replaces it there. Returns false and changes nothing if the list of this
    /// peer is full.
    ///
    /// # Errors
    /// If the storage fails.
    fn hold_row(
        &mut self,
        peer: &Fingerprint,
        changelog: ChangelogId,
        row: &HeldRow,
    ) -> Result<bool, Self::Error>;

    /// Takes a row off the list of held rows, if it stands there with this [`HeldRow::revision`].
    ///
    /// # Errors
    /// If the storage fails.
    fn release_row(
        &mut self,
        peer: &Fingerprint,
        changelog: ChangelogId,
        id: &VectorId,
        revision: CommitNo,
    ) -> Result<(), Self::Error>;

    /// Takes all rows of this peer off the list but those of two changelogs.
    ///
    /// # Errors
    /// If the storage fails.
    fn forget_held_rows(&mut self, peer: &Fingerprint, but: [ChangelogId; 2]) -> Result<(), Self::Error>;

    /// Forgets how far the changelogs of all peers have been read, and what was held back of them: each is read from
    /// its start again.
    ///
    /// # Errors
    /// If the storage fails.
    fn forget_cursors(&mut self) -> Result<(), Self::Error>;

    /// Stores the name of a site's node.
    ///
    /// # Errors
    /// If the storage fails.
    fn name_site(&mut self, site: SiteId, name: &NodeName) -> Result<(), Self::Error>;

    /// The timestamp of this database's last local write.
    fn last_stamp(&self) -> Timestamp;

    /// Stores the timestamp of the last local write.
    fn set_last_stamp(&mut self, stamp: Timestamp);
}

/// Stores a row and updates the digest and the received dots.
///
/// # Errors
/// If the storage fails; the transaction must then be rolled back.
pub fn replace_row<W: ShardWrite + ?Sized>(
    shard: &mut W,
    id: &VectorId,
    old: Option<&Row>,
    new: &Row,
) -> Result<(), W::Error> {
    account_for(shard, id, old, new);
    shard.put_row(id, old, new)
}

/// Like [`replace_row`], for a vector that the shard most likely does not have. Returns false and changes nothing if it
/// does.
///
/// # Errors
/// If the storage fails; the transaction must then be rolled back.
pub(crate) fn insert_row<W: ShardWrite + ?Sized>(
    shard: &mut W,
    id: &VectorId,
    new: &Row,
) -> Result<bool, W::Error> {
    if !shard.insert_row(id, new)? {
        return Ok(false);
    }
    account_for(shard, id, None, new);
    Ok(true)
}

fn account_for<W: ShardWrite + ?Sized>(shard: &mut W, id: &VectorId, old: Option<&Row>, new: &Row) {
    let mut digest = shard.state().digest;
    if let Some(old) = old {
        digest.remove(shard.shard(), id, old);
    }
    digest.add(shard.shard(), id, new);
    let state = shard.state_mut();
    state.digest = digest;
    for sibling in new.siblings() {
        state.receive(sibling.dot());
    }
}
