use std::ops::ControlFlow;

use crate::{
    ChangeId, ChangelogId, Cursor, DeltaError, Descriptor, Digest, Fingerprint, NodeName, Row, ShardId,
    SiteId, Strategy, Timestamp, VectorId, VectorRow, VersionVector,
};

/// The number of a write transaction of one database. What was read at one may leave the node only when it is
/// durable.
pub type CommitNo = u64;

/// Who a database is in its present life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Numbers the changes made here.
    pub site: SiteId,
    /// Numbers the life of the change ids.
    pub changelog: ChangelogId,
    /// What people call the node, once it is known.
    pub node: Option<NodeName>,
}

/// What a shard keeps beside its rows. Changes in the same transaction as they do.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ShardState {
    /// Every dot inside it is held, superseded by something held, or below the frontier.
    pub version_vector: VersionVector,
    /// For each site the newest dot that ever came in, covered by the version vector or not.
    pub received: VersionVector,
    /// Tombstones below it may be gone.
    pub frontier: VersionVector,
    /// What the shard's nodes agree on.
    pub descriptor: Descriptor,
    /// How concurrent versions are shown here.
    pub strategy: Strategy,
    /// Of the rows.
    pub digest: Digest,
}

impl ShardState {
    /// Whether every held dot is inside the version vector. Never true wrongly; it may be false for a while after
    /// the last dot outside was superseded.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        self.version_vector.covers_all(&self.received)
    }
}

/// What [`ShardRead::visit_rows`] hands out for each row: its change id, and the row unless the filter covers it.
pub type RowVisitor<'v> = &'v mut dyn FnMut(ChangeId, Option<VectorRow>) -> ControlFlow<()>;

/// One shard inside one read transaction: everything that it returns belongs to one moment.
pub trait ShardRead {
    /// Why the storage failed.
    type Error: From<DeltaError>;

    /// Which shard.
    fn shard(&self) -> &ShardId;

    /// Who the database is.
    fn origin(&self) -> &Origin;

    /// What is kept beside the rows.
    fn state(&self) -> &ShardState;

    /// The last write transaction that is visible here.
    fn commit_no(&self) -> CommitNo;

    /// How far this node has read the changelog of the peer with this certificate.
    ///
    /// # Errors
    /// Where the storage fails.
    fn cursor(&self, peer: &Fingerprint) -> Result<Option<Cursor>, Self::Error>;

    /// What a site's node is called.
    ///
    /// # Errors
    /// Where the storage fails.
    fn site_name(&self, site: SiteId) -> Result<Option<NodeName>, Self::Error>;

    /// Visits the rows with a change id above `after`, in the order of change ids, until the visitor breaks. A row
    /// none of whose siblings is above `filter` is visited without its content.
    ///
    /// # Errors
    /// Where the storage fails.
    fn visit_rows(
        &self,
        after: ChangeId,
        filter: Option<&VersionVector>,
        visit: RowVisitor<'_>,
    ) -> Result<(), Self::Error>;
}

/// One shard inside one write transaction. The caller commits it as a whole, or rolls all of it back.
pub trait ShardWrite: ShardRead {
    /// What is kept beside the rows, to be changed.
    fn state_mut(&mut self) -> &mut ShardState;

    /// The row of a vector.
    ///
    /// # Errors
    /// Where the storage fails.
    fn row(&mut self, id: &VectorId) -> Result<Option<Row>, Self::Error>;

    /// Stores `new` in the place of `old` under a new change id, which no row of this changelog ever had.
    /// Only [`replace_row`](crate::replace_row) calls this: it keeps the digest in step.
    ///
    /// # Errors
    /// Where the storage fails.
    fn put_row(&mut self, id: &VectorId, old: Option<&Row>, new: &Row) -> Result<(), Self::Error>;

    /// As [`ShardWrite::put_row`] where the shard has no row of this vector; else changes nothing and returns false.
    /// For storage that can tell at the price of the insert alone.
    ///
    /// # Errors
    /// Where the storage fails.
    fn insert_row(&mut self, id: &VectorId, new: &Row) -> Result<bool, Self::Error> {
        if self.row(id)?.is_some() {
            return Ok(false);
        }
        self.put_row(id, None, new)?;
        Ok(true)
    }

    /// Remembers how far the peer's changelog has been read.
    ///
    /// # Errors
    /// Where the storage fails.
    fn set_cursor(&mut self, peer: &Fingerprint, cursor: Cursor) -> Result<(), Self::Error>;

    /// Remembers what a site's node is called.
    ///
    /// # Errors
    /// Where the storage fails.
    fn name_site(&mut self, site: SiteId, name: &NodeName) -> Result<(), Self::Error>;

    /// The last stamp given to a local write of this database.
    fn last_stamp(&self) -> Timestamp;

    /// Remembers the last stamp.
    fn set_last_stamp(&mut self, stamp: Timestamp);
}

/// Stores a row and keeps digest and received dots in step.
///
/// # Errors
/// Where the storage fails: the transaction must then be rolled back.
pub fn replace_row<W: ShardWrite + ?Sized>(
    shard: &mut W,
    id: &VectorId,
    old: Option<&Row>,
    new: &Row,
) -> Result<(), W::Error> {
    account_for(shard, id, old, new);
    shard.put_row(id, old, new)
}

/// As [`replace_row`] for a vector that the shard is likely not to have. Returns false, and changes nothing, where it
/// has it.
///
/// # Errors
/// Where the storage fails: the transaction must then be rolled back.
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
        state.received.add(sibling.dot());
    }
}
