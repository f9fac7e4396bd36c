use crate::{
    Applied, Batch, ChangeId, CommitNo, End, Ended, Fingerprint, Hello, HelloOffer, Page, PageSize,
    RemoteApply, VersionVector,
};

/// What a session asks of the shard that it syncs. Each is one transaction, or a wait.
#[derive(Debug)]
pub enum StoreRequest {
    /// [`read_hello`](crate::read_hello), answered by [`StoreReply::Hello`].
    ReadHello {
        /// Whose cursor to look up.
        peer: Fingerprint,
        /// The rest of the Hello.
        offer: HelloOffer,
    },
    /// [`RemoteApply::accept_hello`], answered by [`StoreReply::HelloAccepted`].
    AcceptHello(Box<Hello>),
    /// [`read_page`](crate::read_page), answered by [`StoreReply::Page`].
    ReadPage {
        /// Read behind this position.
        after: ChangeId,
        /// What the peer holds.
        filter: Option<VersionVector>,
        /// How much.
        size: PageSize,
    },
    /// [`RemoteApply::apply`] in one transaction, answered by [`StoreReply::Applied`].
    Apply {
        /// Comes back with the answer.
        remote: Box<RemoteApply>,
        /// In order.
        batches: Vec<Batch>,
    },
    /// [`RemoteApply::apply`], where batches came right before, and [`RemoteApply::end`], in one transaction; answered by
    /// [`StoreReply::Ended`].
    End {
        /// Comes back with the answer.
        remote: Box<RemoteApply>,
        /// In order; often none.
        batches: Vec<Batch>,
        /// The peer's state.
        end: Box<End>,
    },
    /// Wait until this transaction survives a power cut; answered by [`StoreReply::Durable`].
    AwaitDurable(CommitNo),
    /// Wait until a transaction after this one; answered by [`StoreReply::Committed`].
    AwaitCommit(CommitNo),
    /// Take a new site and write this node's versions again ([`SiteReset::Forked`](crate::SiteReset)); answered by
    /// [`StoreReply::SiteReset`].
    ResetSite,
}

/// Answers to [`StoreRequest`]s.
#[derive(Debug)]
pub enum StoreReply {
    /// The Hello, and the transaction it was read in.
    Hello {
        /// What to say.
        hello: Box<Hello>,
        /// Must be durable first.
        commit_no: CommitNo,
    },
    /// The peer's Hello fits.
    HelloAccepted,
    /// A page.
    Page(Box<Page>),
    /// Batches were joined.
    Applied {
        /// To be used for what comes next.
        remote: Box<RemoteApply>,
        /// What it did.
        applied: Applied,
    },
    /// An end was taken over.
    Ended {
        /// To be used for what comes next.
        remote: Box<RemoteApply>,
        /// What the batches did.
        applied: Applied,
        /// What the end did.
        ended: Ended,
        /// Must be durable before the peer hears of it.
        commit_no: CommitNo,
    },
    /// All transactions up to this one survive a power cut.
    Durable(CommitNo),
    /// There was a commit.
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
        /// For people.
        reason: String,
        /// Whether trying again can help.
        retry: bool,
    },
}
