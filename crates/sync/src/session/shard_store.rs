use std::ops::ControlFlow;

use tokio::sync::mpsc;

use vectr_core::{BatchesTaken, ChangeSpan, CoreError, EndTaken, Subscription, VectrDB};
use vectr_delta::{Applied, CommitNo, Refusal, Renewal, ShardId, StoreReply, StoreRequest};
use vectr_transport::{Access, PeerRights};

use crate::session::read_only::{FORBIDDEN, withhold};

/// Carries out a session's storage requests on threads that may block, several at a time.
pub(crate) struct ShardStore {
    db: VectrDB,
    shard: ShardId,
    ignore_cursor: bool,
    /// `None` before the peer's stream is there: nothing is written then.
    rights: Option<PeerRights>,
    /// Once something of the peer was refused, all that follows in this session is: its cursor would pass over it.
    read_only: bool,
    sender: mpsc::UnboundedSender<Answer>,
    replies: mpsc::UnboundedReceiver<Answer>,
    under_way: usize,
    commit_watch: Option<Subscription>,
}

/// What storage says.
pub(crate) struct Answer {
    /// For the session.
    pub(crate) reply: StoreReply,
    /// The change ids of the peer's rows that changed the database.
    pub(crate) changes: Option<ChangeSpan>,
}

impl Answer {
    /// What the peer's rows did, where the answer is about some.
    pub(crate) const fn applied(&self) -> Option<&Applied> {
        match &self.reply {
            StoreReply::Applied { applied, .. } | StoreReply::Ended { applied, .. } => Some(applied),
            _ => None,
        }
    }
}

impl From<StoreReply> for Answer {
    fn from(reply: StoreReply) -> Self {
        Self { reply, changes: None }
    }
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

    /// Has every request keep to what the peer may do at that moment.
    pub(crate) fn keep_to(&mut self, rights: PeerRights) {
        self.rights = Some(rights);
    }

    /// Has the peer's changelog read from its beginning.
    pub(crate) const fn ignore_cursor(&mut self) {
        self.ignore_cursor = true;
    }

    /// Carries out a request. What the writer does comes back from its own thread; all else may block a thread.
    pub(crate) fn start(&mut self, request: StoreRequest) {
        match self.permit(request) {
            ControlFlow::Continue(request) => self.carry_out(request),
            ControlFlow::Break(refusal) => self.answer()(refusal),
        }
    }

    /// A request that the peer's rights allow; else the answer to it.
    fn permit(&mut self, request: StoreRequest) -> ControlFlow<Answer, StoreRequest> {
        let access = self.rights.as_ref().map(|rights| rights.access(&self.shard));
        let reads_rows = matches!(request, StoreRequest::ReadPage { .. });
        if reads_rows && access == Some(Access::None) {
            return ControlFlow::Break(failed_for_lack_of_rights());
        }
        let writes =
            matches!(request, StoreRequest::Meet(_) | StoreRequest::Apply { .. } | StoreRequest::End { .. });
        self.read_only |= writes && access != Some(Access::Write);
        if writes && self.read_only {
            return withhold(request, self.db.now());
        }
        ControlFlow::Continue(request)
    }

    fn carry_out(&mut self, request: StoreRequest) {
        match request {
            StoreRequest::ReadHello { peer, offer } => {
                let ignore_cursor = self.ignore_cursor;
                self.block(move |db, shard| {
                    let (mut hello, commit_no) = db.read_hello(shard, &peer, &offer)?;
                    hello.cursor = hello.cursor.filter(|_| !ignore_cursor);
                    Ok(StoreReply::Hello { hello: Box::new(hello), commit_no })
                });
            }
            StoreRequest::ReadPage { after, filter, size } => self.block(move |db, shard| {
                Ok(StoreReply::Page(Box::new(db.read_page(shard, after, filter.as_ref(), size)?)))
            }),
            StoreRequest::AwaitDurable(commit_no) => self.await_durable(commit_no),
            StoreRequest::AwaitCommit(after) => self.watch_commits(after),
            StoreRequest::Renew => self.block(|db, _| {
                db.renew(Renewal::Forked)?;
                Ok(StoreReply::Renewed)
            }),
            StoreRequest::Meet(hello) => {
                let answer = self.answer();
                self.db.meet_then(&self.shard, &hello, move |met| {
                    answer(refusable(met, |()| StoreReply::Met.into()));
                });
            }
            StoreRequest::Apply { intake, batches } => {
                let answer = self.answer();
                self.db.apply_then(&self.shard, intake, batches, move |applied| {
                    answer(refusable(applied, |BatchesTaken { intake, applied, changes }| Answer {
                        reply: StoreReply::Applied { intake, applied },
                        changes,
                    }));
                });
            }
            StoreRequest::End { intake, batches, end } => {
                let answer = self.answer();
                self.db.end_then(&self.shard, intake, batches, end, move |taken| {
                    answer(refusable(taken, |EndTaken { intake, applied, changes, ended, commit_no }| {
                        Answer { reply: StoreReply::Ended { intake, applied, ended, commit_no }, changes }
                    }));
                });
            }
        }
    }

    /// The next answer. Safe to cancel; waits for ever while nothing is under way.
    pub(crate) async fn reply(&mut self) -> Answer {
        let answer = self.replies.recv().await.expect("this store holds a sender");
        if !matches!(answer.reply, StoreReply::Committed) {
            self.under_way -= 1;
        }
        answer
    }

    /// Whether the session waits for this node's storage.
    pub(crate) const fn is_working(&self) -> bool {
        self.under_way > 0
    }

    /// Counts a request as under way until its answer is taken.
    fn answer(&mut self) -> impl FnOnce(Answer) + Send + use<> {
        self.under_way += 1;
        let sender = self.sender.clone();
        // The session may be over when the answer comes: its transaction stands all the same.
        move |answer| drop(sender.send(answer))
    }

    fn block(
        &mut self,
        work: impl FnOnce(&VectrDB, &ShardId) -> Result<StoreReply, CoreError> + Send + 'static,
    ) {
        let answer = self.answer();
        let (db, shard) = (self.db.clone(), self.shard.clone());
        tokio::task::spawn_blocking(move || answer(work(&db, &shard).unwrap_or_else(failed).into()));
    }

    fn await_durable(&mut self, commit_no: CommitNo) {
        let answer = self.answer();
        self.db.await_durable_then(commit_no, move |durable| {
            answer(durable.map_or_else(failed, StoreReply::Durable).into());
        });
    }

    fn watch_commits(&mut self, after: CommitNo) {
        let sender = std::sync::Mutex::new(Some(self.sender.clone()));
        let barriers = self.db.barriers();
        let tell = move |commit_no: CommitNo| {
            let Ok(mut sender) = sender.lock() else { return };
            if commit_no > after
                && let Some(sender) = sender.take()
            {
                // What the page will show leaves only when it is durable: the file gets there while it is read.
                if let Some(barriers) = &barriers {
                    barriers.start(commit_no);
                }
                let _ = sender.send(StoreReply::Committed.into());
            }
        };
        let tell = std::sync::Arc::new(tell);
        let observer = std::sync::Arc::clone(&tell);
        self.commit_watch = Some(self.db.on_commit(Box::new(move |commit_no| observer(commit_no))));
        // A commit between the page and the subscription.
        tell(self.db.commit_no());
    }
}

fn refusable<T>(outcome: Result<T, Refusal<CoreError>>, answer: impl FnOnce(T) -> Answer) -> Answer {
    let refusal = match outcome {
        Ok(done) => return answer(done),
        Err(refusal) => refusal,
    };
    let reply = match refusal {
        Refusal::Frontier => StoreReply::Frontier,
        Refusal::Forked => StoreReply::Forked,
        Refusal::Shard(error) => {
            StoreReply::Failed { code: error.code().into(), reason: error.to_string(), retry: false }
        }
        Refusal::Store(error) => failed(error),
    };
    reply.into()
}

fn failed_for_lack_of_rights() -> Answer {
    let reason = NOT_SHARED.into();
    StoreReply::Failed { code: FORBIDDEN.into(), reason, retry: false }.into()
}

/// What a peer hears of a shard that it has no right to, whether there is such a shard or not.
pub(crate) const NOT_SHARED: &str =
    "this node shares no such shard with you: its operator has to grant it (tls.rights)";

#[allow(clippy::needless_pass_by_value, reason = "the shape of `unwrap_or_else`")]
fn failed(error: CoreError) -> StoreReply {
    StoreReply::Failed { code: error.code().into(), reason: error.to_string(), retry: error.is_transient() }
}
