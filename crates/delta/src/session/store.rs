use crate::{
    Applied, Batch, ChangeId, CommitNo, End, Ended, Fingerprint, FoundRows, HeldAnswer, HeldRow, Hello,
    HelloOffer, IdRange, Page, PageSize, Preference, RangeCounts, RangeDigest, RangeDigests, RangePage,
    RemoteApply, Repaired, ShardVersion, SiteId, VectorId,
};

/// What a session asks of the shard's storage. Each request is one transaction, or a wait.
#[derive(Debug)]
pub enum StoreRequest {
    /// [`read_hello`](crate::read_hello), answered by [`StoreReply::Hello`].
    ReadHello {
        /// The peer whose cursor to look up.
        peer: Fingerprint,
        /// The rest of the Hello.
        offer: HelloOffer,
    },
    /// [`RemoteApply::accept_hello`], answered by [`StoreReply::HelloAccepted`].
    AcceptHello(Box<Hello>),
    /// [`read_page`](crate::read_page), answered by [`StoreReply::Page`].
    ReadPage {
        /// Read after this position.
        after: ChangeId,
        /// What the peer holds.
        filter: Option<ShardVersion>,
        /// How large the page may get.
        size: PageSize,
        /// Whether to count the rows that follow it, for [`Page::left`].
        counts: bool,
    },
    /// [`RemoteApply::apply`] in one transaction, answered by [`StoreReply::Applied`].
    Apply {
        /// Comes back in the reply.
        remote: Box<RemoteApply>,
        /// In order.
        batches: Vec<Batch>,
    },
    /// [`RemoteApply::apply`] if there are batches, and [`RemoteApply::end`], in one transaction; answered by
    /// [`StoreReply::Ended`].
    End {
        /// Comes back in the reply.
        remote: Box<RemoteApply>,
        /// In order; often none.
        batches: Vec<Batch>,
        /// The peer's state.
        end: Box<End>,
    },
    /// [`find_rows`](crate::find_rows), answered by [`StoreReply::Found`].
    FindRows {
        /// Which rows.
        ids: Vec<VectorId>,
        /// How large the answer may get.
        size: PageSize,
    },
    /// [`RemoteApply::join_answer`] in one transaction, answered by [`StoreReply::AnswerJoined`].
    JoinAnswer {
        /// Comes back in the reply.
        remote: Box<RemoteApply>,
        /// The rows on the list that are answered for.
        asked: Vec<HeldRow>,
        /// The peer's answer.
        answer: Box<HeldAnswer>,
    },
    /// [`split_ranges`](crate::split_ranges), answered by [`StoreReply::RangeDigests`].
    SplitRanges(Vec<IdRange>),
    /// [`compare_ranges`](crate::compare_ranges), answered by [`StoreReply::RangeCounts`].
    CompareRanges(Vec<RangeDigest>),
    /// [`read_range`](crate::read_range), answered by [`StoreReply::RangePage`].
    ReadRange {
        /// Which rows.
        range: IdRange,
        /// How large the page may get.
        size: PageSize,
    },
    /// [`RemoteApply::join_range`], answered by [`StoreReply::RangeJoined`].
    JoinRange {
        /// Comes back in the reply.
        remote: Box<RemoteApply>,
        /// The peer's rows.
        rows: Batch,
        /// What is kept where the two nodes differ about one version.
        preference: Preference,
    },
    /// [`RemoteApply::finish_repair`], answered by [`StoreReply::RepairFinished`].
    FinishRepair {
        /// Comes back in the reply.
        remote: Box<RemoteApply>,
        /// Whether the rows had the shard's digest when they were read.
        matches: bool,
    },
    /// [`settle_repair`](crate::settle_repair) with what the peer holds, answered by [`StoreReply::RepairSettled`].
    SettleRepair(ShardVersion),
    /// Wait until this transaction is durable; answered by [`StoreReply::Durable`].
    AwaitDurable(CommitNo),
    /// Wait for a transaction after this one that changes what a page tells: the shard's rows, its state, whether it is
    /// altered, or this node's site. What is noted about peers wakes nobody. Answered by [`StoreReply::Committed`].
    AwaitCommit(CommitNo),
    /// Take a new site and write this node's versions again ([`SiteReset::Forked`](crate::SiteReset)), unless the site is
    /// no longer this one: several sessions may find the same fork. Answered by [`StoreReply::SiteReset`].
    ResetSite(SiteId),
}

/// Replies to [`StoreRequest`]s.
#[derive(Debug)]
pub enum StoreReply {
    /// The Hello, and the transaction it was read in.
    Hello {
        /// The Hello to send.
        hello: Box<Hello>,
        /// [`LocalHello::held`](crate::LocalHello::held).
        held: Vec<HeldRow>,
        /// Must be durable before the Hello is sent.
        commit_no: CommitNo,
        /// [`ShardRead::alterations`](crate::ShardRead::alterations) in that transaction.
        alterations: u64,
    },
    /// The peer's Hello was accepted.
    HelloAccepted,
    /// A page.
    Page(Box<Page>),
    /// Batches were joined.
    Applied {
        /// For the next request.
        remote: Box<RemoteApply>,
        /// What the batches did.
        applied: Applied,
        /// The change ids of the rows that changed.
        changes: Option<ChangeSpan>,
    },
    /// An end was applied.
    Ended {
        /// For the next request.
        remote: Box<RemoteApply>,
        /// What the batches did.
        applied: Applied,
        /// The change ids of the rows that changed.
        changes: Option<ChangeSpan>,
        /// What the end did.
        ended: Ended,
        /// Must be durable before the peer is told.
        commit_no: CommitNo,
    },
    /// Rows that the peer asks for.
    Found(Box<FoundRows>),
    /// An answer was joined.
    AnswerJoined {
        /// For the next request.
        remote: Box<RemoteApply>,
        /// What the rows did.
        applied: Applied,
        /// The change ids of the rows that changed.
        changes: Option<ChangeSpan>,
    },
    /// The digests of parts of ranges.
    RangeDigests(Box<RangeDigests>),
    /// How ranges of the peer compare.
    RangeCounts(Box<RangeCounts>),
    /// Rows of a range.
    RangePage(Box<RangePage>),
    /// Rows of a range were joined.
    RangeJoined {
        /// For the next request.
        remote: Box<RemoteApply>,
        /// What the rows did.
        applied: Applied,
        /// The change ids of the rows that changed.
        changes: Option<ChangeSpan>,
    },
    /// A repair was ended.
    RepairFinished {
        /// For the next request.
        remote: Box<RemoteApply>,
        /// What the shard is now.
        repaired: Repaired,
        /// Must be durable before the peer is told.
        commit_no: CommitNo,
    },
    /// It is known whether the shard remains to be repaired.
    RepairSettled,
    /// All transactions up to this one are durable.
    Durable(CommitNo),
    /// A later transaction was committed.
    Committed,
    /// The database has a new site.
    SiteReset,
    /// Rolled back: [`Refusal::Frontier`](crate::Refusal).
    Frontier,
    /// Rolled back: [`Refusal::Forked`](crate::Refusal).
    Forked,
    /// Rolled back, for another reason.
    Failed {
        /// A stable error code.
        code: String,
        /// A message for people.
        reason: String,
        /// Whether a retry can help.
        retry: bool,
    },
}

impl StoreReply {
    /// What the peer's rows did, if the reply is about some.
    #[must_use]
    pub const fn applied(&self) -> Option<&Applied> {
        match self {
            Self::Applied { applied, .. }
            | Self::Ended { applied, .. }
            | Self::AnswerJoined { applied, .. }
            | Self::RangeJoined { applied, .. } => Some(applied),
            _ => None,
        }
    }

    /// The change ids that the transaction gave out; `None` where it gave out none.
    #[must_use]
    pub const fn changes(&self) -> Option<ChangeSpan> {
        match self {
            Self::Applied { changes, .. }
            | Self::Ended { changes, .. }
            | Self::AnswerJoined { changes, .. }
            | Self::RangeJoined { changes, .. } => *changes,
            _ => None,
        }
    }
}

/// The change ids that one transaction gave out: those above `after`, up to and including `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeSpan {
    /// The last one before the transaction.
    pub after: ChangeId,
    /// The last one in it.
    pub to: ChangeId,
}

impl ChangeSpan {
    /// `None` where the two are equal: no change id was given out.
    #[must_use]
    pub fn between(after: ChangeId, to: ChangeId) -> Option<Self> {
        (to > after).then_some(Self { after, to })
    }
}
