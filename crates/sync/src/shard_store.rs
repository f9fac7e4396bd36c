use tokio::sync::mpsc;

use vectr_core::{CoreError, Subscription, VectrDB};
use vectr_delta::{CommitNo, Refusal, ShardId, StoreReply, StoreRequest};

/// Carries out a session's storage requests on threads that may block, several at a time.
pub(crate) struct ShardStore {
    db: VectrDB,
    shard: ShardId,
    ignore_cursor: bool,
    sender: mpsc::UnboundedSender<StoreReply>,
    replies: mpsc::UnboundedReceiver<StoreReply>,
    under_way: usize,
    commit_watch: Option<Subscription>,
}

impl ShardStore {
    pub(crate) fn new(db: VectrDB, shard: ShardId) -> Self {
        let (sender, replies) = mpsc::unbounded_channel();
        Self { db, shard, ignore_cursor: false, sender, replies, under_way: 0, commit_watch: None }
    }

    /// Has the peer's changelog read from its beginning.
    pub(crate) const fn ignore_cursor(&mut self) {
        self.ignore_cursor = true;
    }

    pub(crate) fn start(&mut self, request: StoreRequest) {
        if let StoreRequest::AwaitCommit(after) = request {
            return self.watch_commits(after);
        }
        self.under_way += 1;
        let (db, shard, sender) = (self.db.clone(), self.shard.clone(), self.sender.clone());
        let ignore_cursor = self.ignore_cursor;
        tokio::task::spawn_blocking(move || {
            // The session may be over: its transaction stands all the same.
            let _ = sender.send(carry_out(&db, &shard, request, ignore_cursor));
        });
    }

    /// The next answer. Safe to cancel; waits for ever while nothing is under way.
    pub(crate) async fn reply(&mut self) -> StoreReply {
        let reply = self.replies.recv().await.expect("this store holds a sender");
        if !matches!(reply, StoreReply::Committed) {
            self.under_way -= 1;
        }
        reply
    }

    /// Whether the session waits for this node's storage.
    pub(crate) const fn is_working(&self) -> bool {
        self.under_way > 0
    }

    fn watch_commits(&mut self, after: CommitNo) {
        let sender = std::sync::Mutex::new(Some(self.sender.clone()));
        let tell = move |commit_no: CommitNo| {
            let Ok(mut sender) = sender.lock() else { return };
            if commit_no > after
                && let Some(sender) = sender.take()
            {
                let _ = sender.send(StoreReply::Committed);
            }
        };
        let tell = std::sync::Arc::new(tell);
        let observer = std::sync::Arc::clone(&tell);
        self.commit_watch = Some(self.db.on_commit(Box::new(move |commit_no| observer(commit_no))));
        // A commit between the page and the subscription.
        tell(self.db.commit_no());
    }
}

fn carry_out(db: &VectrDB, shard: &ShardId, request: StoreRequest, ignore_cursor: bool) -> StoreReply {
    let outcome =
        match request {
            StoreRequest::ReadHello { peer, offer } => {
                db.read_hello(shard, &peer, &offer).map(|(mut hello, commit_no)| {
                    if ignore_cursor {
                        hello.cursor = None;
                    }
                    StoreReply::Hello { hello: Box::new(hello), commit_no }
                })
            }
            StoreRequest::Meet(hello) => return refusable(db.meet(shard, &hello), |()| StoreReply::Met),
            StoreRequest::ReadPage { after, filter, size } => {
                db.read_page(shard, after, filter.as_ref(), size).map(|page| StoreReply::Page(Box::new(page)))
            }
            StoreRequest::Apply { intake, batches } => {
                return refusable(db.apply(shard, intake, batches), |(intake, applied)| {
                    StoreReply::Applied { intake, applied }
                });
            }
            StoreRequest::End { intake, end } => {
                return refusable(db.end(shard, intake, end), |(intake, ended, commit_no)| {
                    StoreReply::Ended { intake, ended, commit_no }
                });
            }
            StoreRequest::AwaitDurable(commit_no) => db.await_durable(commit_no).map(StoreReply::Durable),
            StoreRequest::AwaitCommit(_) => Ok(StoreReply::Committed),
            StoreRequest::Renew => db.renew(vectr_delta::Renewal::Forked).map(|()| StoreReply::Renewed),
        };
    outcome.unwrap_or_else(failed)
}

fn refusable<T>(outcome: Result<T, Refusal<CoreError>>, reply: impl FnOnce(T) -> StoreReply) -> StoreReply {
    match outcome {
        Ok(done) => reply(done),
        Err(Refusal::Frontier) => StoreReply::Frontier,
        Err(Refusal::Forked) => StoreReply::Forked,
        Err(Refusal::Shard(error)) => {
            StoreReply::Failed { code: error.code().into(), reason: error.to_string(), retry: false }
        }
        Err(Refusal::Store(error)) => failed(error),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape of `unwrap_or_else`")]
fn failed(error: CoreError) -> StoreReply {
    StoreReply::Failed { code: error.code().into(), reason: error.to_string(), retry: error.is_transient() }
}
