use std::ops::ControlFlow;

use tokio::sync::mpsc;

use vectr_core::replication::{Serving, finish_unwritten_repair, serve};
use vectr_core::{Subscription, VectrDB};
use vectr_delta::{ShardId, StoreReply, StoreRequest};
use vectr_transport::{Access, PeerRights};

use crate::session::read_only::{FORBIDDEN, withhold};

/// Has a session's storage requests carried out, several at a time, as far as the peer's rights allow.
pub(crate) struct ShardStore {
    db: VectrDB,
    shard: ShardId,
    ignore_cursor: bool,
    /// `None` before the peer's stream is there: nothing is written then.
    rights: Option<PeerRights>,
    /// Set once something of the peer was refused. All that follows in this session is refused too: its cursor would
    /// pass over what is missing.
    read_only: bool,
    sender: mpsc::UnboundedSender<StoreReply>,
    replies: mpsc::UnboundedReceiver<StoreReply>,
    under_way: usize,
    commit_watch: Option<Subscription>,
}

impl ShardStore {
    pub(crate) fn new(db: VectrDB, shard: ShardId) -> Self {
        let (sender, replies) = mpsc::unbounded_channel();
        Self {
            db,
            shard,
            ignore_cursor: false,
            rights: None,
            read_only: false,
            sender,
            replies,
            under_way: 0,
            commit_watch: None,
        }
    }

    /// Checks every request against what the peer may do at that moment.
    pub(crate) fn keep_to(&mut self, rights: PeerRights) {
        self.rights = Some(rights);
    }

    /// Has the peer's changelog read from its beginning.
    pub(crate) const fn ignore_cursor(&mut self) {
        self.ignore_cursor = true;
    }

    /// Carries out a request. Reads run on threads that may block; writes are answered from the database's writer
    /// thread.
    pub(crate) fn start(&mut self, request: StoreRequest) {
        // A commit may never come: the session does not wait for this node meanwhile.
        if !matches!(request, StoreRequest::AwaitCommit(_)) {
            self.under_way += 1;
        }
        let sender = self.sender.clone();
        // The session may be over when the reply comes: its transaction stands all the same.
        let done = move |reply| drop(sender.send(reply));
        let request = match self.permit(request) {
            ControlFlow::Continue(request) => request,
            ControlFlow::Break(refusal) => return done(refusal),
        };
        let serving = match request {
            StoreRequest::FinishRepair { remote, .. } if self.read_only => {
                finish_unwritten_repair(&self.db, &self.shard, remote, done)
            }
            request => serve(&self.db, &self.shard, request, done),
        };
        match serving {
            Serving::Submitted => {}
            Serving::Blocking(read) => drop(tokio::task::spawn_blocking(|| read.run())),
            Serving::Subscribed(subscription) => self.commit_watch = Some(subscription),
        }
    }

    /// The next reply. Safe to cancel; waits for ever while nothing is under way.
    pub(crate) async fn reply(&mut self) -> StoreReply {
        let mut reply = self.replies.recv().await.expect("this store holds a sender");
        if !matches!(reply, StoreReply::Committed) {
            self.under_way -= 1;
        }
        if let StoreReply::Hello { hello, .. } = &mut reply
            && self.ignore_cursor
        {
            hello.cursor = None;
        }
        // The rights may have changed while the page was read, and it may hold what was written since.
        let shows = matches!(
            reply,
            StoreReply::Page(_)
                | StoreReply::RangePage(_)
                | StoreReply::RangeDigests(_)
                | StoreReply::RangeCounts(_)
                | StoreReply::RepairFinished { .. }
        );
        if shows && self.access() == Some(Access::None) {
            return forbidden();
        }
        reply
    }

    /// Whether the session waits for this node's storage.
    pub(crate) const fn is_working(&self) -> bool {
        self.under_way > 0
    }

    /// What the peer may do now. `None` before its stream is there.
    fn access(&self) -> Option<Access> {
        self.rights.as_ref().map(|rights| rights.access(&self.shard))
    }

    /// Returns a request that the peer's rights allow, or else the reply to it.
    fn permit(&mut self, request: StoreRequest) -> ControlFlow<StoreReply, StoreRequest> {
        let access = self.access();
        let reads_rows = matches!(
            request,
            StoreRequest::ReadPage { .. }
                | StoreRequest::SplitRanges(_)
                | StoreRequest::CompareRanges(_)
                | StoreRequest::ReadRange { .. }
                | StoreRequest::FinishRepair { .. }
        );
        if reads_rows && access == Some(Access::None) {
            return ControlFlow::Break(forbidden());
        }
        let writes = matches!(
            request,
            StoreRequest::AcceptHello(_)
                | StoreRequest::Apply { .. }
                | StoreRequest::End { .. }
                | StoreRequest::JoinRange { .. }
                | StoreRequest::FinishRepair { .. }
                | StoreRequest::SettleRepair(_)
        );
        self.read_only |= writes && access != Some(Access::Write);
        if writes && self.read_only {
            return withhold(request, self.db.now());
        }
        ControlFlow::Continue(request)
    }
}

fn forbidden() -> StoreReply {
    StoreReply::Failed { code: FORBIDDEN.into(), reason: NOT_SHARED.into(), retry: false }
}

/// What a peer hears of a shard that it has no right to, whether there is such a shard or not.
pub(crate) const NOT_SHARED: &str =
    "this node shares no such shard with you: its operator has to grant it (tls.rights)";
