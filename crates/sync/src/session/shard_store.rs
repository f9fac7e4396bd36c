use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use vectr_core::VectrDB;
use vectr_core::replication::{BlockingRead, Serving, finish_unwritten_repair, serve};
use vectr_delta::{CommitNo, Digest, Hello, Page, PageSize, ShardId, StoreReply, StoreRequest, Strategy};
use vectr_transport::{Access, PeerRights};

use crate::context::Context;
use crate::feed::{Feeds, Place, Seat};
use crate::limits::bounds::LIMIT;
use crate::limits::peer_limits::PeerLimits;
use crate::limits::send_budget::SendAccount;
use crate::session::answers::Answers;
use crate::session::new_shard::NewShard;
use crate::session::read_only::{FORBIDDEN, withhold};
use crate::session::repair_memory::{RepairMemory, RunningRepair};
use crate::session::wire::weight_of;

/// Has a session's storage requests carried out, several at a time, as far as the peer's rights and its limits allow.
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
    feeds: Arc<Feeds>,
    /// How far a page has reached the end of the changelog.
    place: Option<Place>,
    /// The transaction in which the last page was read.
    read_at: CommitNo,
    /// Taken once the session waits for commits.
    seat: Option<Seat>,
    page_size: PageSize,
    account: Arc<SendAccount>,
    /// Reads that wait until the peer has read more of what it was sent.
    waits: JoinSet<()>,
    answers: Answers,
    limits: Arc<PeerLimits>,
    repairs: Arc<RepairMemory>,
    repair: Option<RunningRepair>,
    /// The configured one.
    strategy: Option<Strategy>,
    /// What a shard that does not exist is made with, where the peer makes it.
    new_shard: Option<NewShard>,
}

impl ShardStore {
    pub(crate) fn new(context: &Context, shard: ShardId, account: Arc<SendAccount>) -> Self {
        let (sender, replies) = mpsc::unbounded_channel();
        Self {
            db: context.db.clone(),
            shard,
            ignore_cursor: false,
            rights: None,
            read_only: false,
            sender,
            replies,
            under_way: 0,
            feeds: Arc::clone(&context.feeds),
            place: None,
            read_at: 0,
            seat: None,
            page_size: context.config.page_size(),
            account,
            waits: JoinSet::new(),
            answers: Answers::default(),
            limits: Arc::clone(&context.limits),
            repairs: Arc::clone(&context.repairs),
            repair: None,
            strategy: context.config.strategy,
            new_shard: None,
        }
    }

    pub(crate) fn account(&self) -> Arc<SendAccount> {
        Arc::clone(&self.account)
    }

    /// The peer has opened the session: a shard that does not exist is made for it, if for anybody.
    pub(crate) fn serve_peer(&mut self) {
        self.new_shard = Some(NewShard::default());
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
        if let StoreRequest::AwaitCommit(_) = request {
            // It may never come: the session does not wait for this node meanwhile.
            return self.await_commit();
        }
        self.under_way += 1;
        let sender = self.sender.clone();
        // The session may be over when the reply comes: its transaction stands all the same.
        let done = move |reply| drop(sender.send(reply));
        let request = match self.permit(request) {
            ControlFlow::Continue(request) => request,
            ControlFlow::Break(refusal) => return done(refusal),
        };
        if let Some(bytes) = bytes_to_send(&request) {
            return self.read_for_peer(request, bytes, done);
        }
        let serving = match request {
            StoreRequest::FinishRepair { remote, .. } if self.read_only => {
                finish_unwritten_repair(&self.db, &self.shard, remote, done)
            }
            StoreRequest::AcceptHello(hello)
                if self.new_shard.as_ref().is_some_and(NewShard::may_be_missing) =>
            {
                return self.accept_hello(hello, done);
            }
            request => serve(&self.db, &self.shard, request, done),
        };
        match serving {
            Serving::Blocking(read) => run(read),
            Serving::Submitted | Serving::Subscribed(_) => {}
        }
    }

    fn await_commit(&mut self) {
        let Some(place) = &self.place else { return };
        let seat = self.seat.get_or_insert_with(|| self.feeds.seat(&self.db, &self.shard, self.page_size));
        seat.await_commit(place.clone(), &self.sender);
    }

    /// The next reply. Safe to cancel; waits for ever while nothing is under way.
    pub(crate) async fn reply(&mut self) -> StoreReply {
        let mut reply = self.replies.recv().await.expect("this store holds a sender");
        if !matches!(reply, StoreReply::Committed) {
            self.under_way -= 1;
        }
        if let StoreReply::Hello { hello, .. } = &mut reply {
            self.complete(hello);
        }
        match &reply {
            StoreReply::Page(page) => {
                self.read_at = page.commit_no;
                self.place = Place::at(page).or(self.place.take());
            }
            StoreReply::Found(found) => self.answers.note(found.answered),
            StoreReply::RepairFinished { .. } => self.repair = None,
            _ => {}
        }
        // The rights may have changed while the page was read, and it may hold what was written since.
        let shows = matches!(
            reply,
            StoreReply::Page(_)
                | StoreReply::Found(_)
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

    /// Whether the session waits for this node's storage, and not for the peer to read.
    pub(crate) fn is_working(&self) -> bool {
        self.under_way > self.account.waiting()
    }

    fn complete(&mut self, hello: &mut Hello) {
        if self.ignore_cursor {
            hello.cursor = None;
        }
        let blank = hello.version_vector.is_empty() && hello.digest == Digest::default();
        if let Some(new) = self.new_shard.as_mut().filter(|_| blank) {
            new.note_missing();
            hello.strategy = self.strategy.unwrap_or(hello.strategy);
        }
    }

    /// Has the peer's Hello accepted, and the shard made before if the peer may make it.
    fn accept_hello(&self, hello: Box<Hello>, done: impl FnOnce(StoreReply) + Send + 'static) {
        let (db, shard) = (self.db.clone(), self.shard.clone());
        let (limits, strategy) = (Arc::clone(&self.limits), self.strategy);
        let peer = self.rights.as_ref().map(PeerRights::peer);
        let accept = move || done(NewShard::accept_hello(&db, &shard, peer, &limits, strategy, hello));
        drop(tokio::task::spawn_blocking(accept));
    }

    /// Reads what is sent to the peer, of about so many bytes, once the peer has read enough of what came before.
    fn read_for_peer(
        &mut self,
        request: StoreRequest,
        bytes: u64,
        done: impl FnOnce(StoreReply) + Send + 'static,
    ) {
        if let Some(page) = self.page_of_feed(&request)
            && self.account.try_reserve(weight_of(&page.rows))
        {
            return done(StoreReply::Page(Box::new(page)));
        }
        let account = Arc::clone(&self.account);
        let charged = move |reply: StoreReply| {
            account.settle(bytes, weight_of_reply(&reply));
            done(reply);
        };
        let Serving::Blocking(read) = serve(&self.db, &self.shard, request, charged) else { return };
        while self.waits.try_join_next().is_some() {}
        if self.account.try_reserve(bytes) {
            return run(read);
        }
        let (account, waiting) = (Arc::clone(&self.account), self.account.begin_waiting());
        self.waits.spawn(async move {
            account.reserve(bytes).await;
            drop(waiting);
            run(read);
        });
    }

    fn page_of_feed(&self, request: &StoreRequest) -> Option<Page> {
        let StoreRequest::ReadPage { after, filter, counts: false, .. } = request else { return None };
        self.seat.as_ref()?.page(*after, self.read_at, filter.as_ref())
    }

    /// What the peer may do now. `None` before its stream is there.
    fn access(&self) -> Option<Access> {
        self.rights.as_ref().map(|rights| rights.access(&self.shard))
    }

    /// Counts what the peer causes by a request of its session. The reason to refuse it, if that is too much.
    fn check_limits(&mut self, request: &StoreRequest) -> Result<(), Refusal> {
        let Some(peer) = self.rights.as_ref().map(PeerRights::peer) else { return Ok(()) };
        match request {
            StoreRequest::FindRows { ids, .. } => self.answers.ask(ids).map_err(Refusal::for_good),
            // Several sessions may find one fork: the site is taken once.
            StoreRequest::ResetSite(site) if *site == self.db.site() => {
                self.limits.take_reset(peer, *site).map_err(Refusal::for_good)
            }
            StoreRequest::SplitRanges(_) | StoreRequest::CompareRanges(_) if self.repair.is_none() => {
                let begun = self.repairs.begin(&self.shard, peer, Instant::now());
                self.repair = Some(begun.map_err(|reason| Refusal { reason, retry: true })?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Returns a request that the peer's rights allow, or else the reply to it.
    fn permit(&mut self, request: StoreRequest) -> ControlFlow<StoreReply, StoreRequest> {
        let access = self.access();
        let reads_rows = matches!(
            request,
            StoreRequest::ReadPage { .. }
                | StoreRequest::FindRows { .. }
                | StoreRequest::SplitRanges(_)
                | StoreRequest::CompareRanges(_)
                | StoreRequest::ReadRange { .. }
                | StoreRequest::FinishRepair { .. }
        );
        if reads_rows && access == Some(Access::None) {
            return ControlFlow::Break(forbidden());
        }
        if let Err(Refusal { reason, retry }) = self.check_limits(&request) {
            return ControlFlow::Break(StoreReply::Failed { code: LIMIT.into(), reason, retry });
        }
        let writes = matches!(
            request,
            StoreRequest::AcceptHello(_)
                | StoreRequest::Apply { .. }
                | StoreRequest::End { .. }
                | StoreRequest::JoinAnswer { .. }
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

/// Why a peer is refused what it has caused too often.
struct Refusal {
    reason: String,
    /// Whether trying again can help.
    retry: bool,
}

impl Refusal {
    const fn for_good(reason: String) -> Self {
        Self { reason, retry: false }
    }
}

fn run(read: BlockingRead) {
    drop(tokio::task::spawn_blocking(|| read.run()));
}

/// About how many bytes for the peer a request reads; `None`: none.
const fn bytes_to_send(request: &StoreRequest) -> Option<u64> {
    match request {
        StoreRequest::ReadPage { size: PageSize { bytes, .. }, .. }
        | StoreRequest::FindRows { size: PageSize { bytes, .. }, .. }
        | StoreRequest::ReadRange { size: PageSize { bytes, .. }, .. } => Some(*bytes as u64),
        // Charged as messages.
        StoreRequest::SplitRanges(_) | StoreRequest::CompareRanges(_) => Some(0),
        _ => None,
    }
}

fn weight_of_reply(reply: &StoreReply) -> u64 {
    match reply {
        StoreReply::Page(page) => weight_of(&page.rows),
        StoreReply::Found(found) => weight_of(&found.rows),
        StoreReply::RangePage(page) => weight_of(&page.rows),
        _ => 0,
    }
}

fn forbidden() -> StoreReply {
    StoreReply::Failed { code: FORBIDDEN.into(), reason: NOT_SHARED.into(), retry: false }
}

/// What a peer hears of a shard that it has no right to, whether there is such a shard or not.
pub(crate) const NOT_SHARED: &str =
    "this node shares no such shard with you: its operator has to grant it (tls.rights)";
