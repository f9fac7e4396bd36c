use crate::{
    Applied, Batch, ChangeId, CommitNo, End, Ended, Fingerprint, Hello, HelloOffer, Intake, Page, PageSize,
    VersionVector,
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
    /// [`Intake::meet`], answered by [`StoreReply::Met`].
    Meet(Box<Hello>),
    /// [`read_page`](crate::read_page), answered by [`StoreReply::Page`].
    ReadPage {
        /// Read behind this position.
        after: ChangeId,
        /// What the peer holds.
        filter: Option<VersionVector>,
        /// How much.
        size: PageSize,
    },
    /// [`Intake::apply`] in one transaction, answered by [`StoreReply::Applied`].
    Apply {
        /// Comes back with the answer.
        intake: Box<Intake>,
        /// In order.
        batches: Vec<Batch>,
    },
    /// [`Intake::apply`], where batches came right before, and [`Intake::end`], in one transaction; answered by
    /// [`StoreReply::Ended`].
    End {
        /// Comes back with the answer.
        intake: Box<Intake>,
        /// In order; often none.
        batches: Vec<Batch>,
        /// The peer's state.
        end: Box<End>,
    },
    /// Wait until this transaction survives a power cut; answered by [`StoreReply::Durable`].
    AwaitDurable(CommitNo),
    /// Wait until a transaction after this one; answered by [`StoreReply::Committed`].
    AwaitCommit(CommitNo),
    /// Take a new site and write this node's versions again ([`Renewal::Forked`](crate::Renewal)); answered by
    /// [`StoreReply::Renewed`].
    Renew,
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
    Met,
    /// A page.
    Page(Box<Page>),
    /// Batches were joined.
    Applied {
        /// To be used for what comes next.
        intake: Box<Intake>,
        /// What it did.
        applied: Applied,
    },
    /// An end was taken over.
    Ended {
        /// To be used for what comes next.
        intake: Box<Intake>,
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
    Renewed,
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
