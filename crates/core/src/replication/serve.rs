use std::fmt;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use vectr_delta::{CountedRows, Refusal, RemoteApply, ShardId, StoreReply, StoreRequest};

use crate::replication::commit_watch::await_commit;
use crate::replication::{read, repair, write};
use crate::writer::Writer;
use crate::writer::queue::JobKind;
use crate::{CoreError, Subscription, VectrDB};

/// Where the reply to a request comes from.
#[derive(Debug)]
#[must_use = "a read that is dropped is never carried out, and a subscription that is dropped hears of no commit"]
pub enum Serving {
    /// From the writer's thread, or it has come already. There is nothing left to do.
    Submitted,
    /// From this work, which blocks: run it on a thread that may.
    Blocking(BlockingRead),
    /// From the next commit, as long as the subscription lives.
    Subscribed(Subscription),
}

/// A read that has yet to be carried out.
pub struct BlockingRead(Box<dyn FnOnce() + Send>);

impl BlockingRead {
    /// Reads, and calls the request's `done` on this thread.
    pub fn run(self) {
        (self.0)();
    }
}

impl fmt::Debug for BlockingRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockingRead")
    }
}

/// Carries out what a session asks of `shard`, without blocking, and calls `done` with the reply. What writes is one
/// transaction each: after [`StoreReply::Frontier`], [`StoreReply::Forked`] and [`StoreReply::Failed`] nothing has
/// changed.
///
/// `done` is called at most once, and exactly once if what is returned is run or kept. It may be called on the writer's
/// thread: it must be quick, must not call the database, and must not hold the last handle to it.
pub fn serve(
    db: &VectrDB,
    shard: &ShardId,
    request: StoreRequest,
    done: impl FnOnce(StoreReply) + Send + 'static,
) -> Serving {
    let shard = shard.clone();
    match request {
        StoreRequest::ReadHello { peer, offer } => {
            block(db, done, move |db| read::hello(db, &shard, &peer, &offer))
        }
        StoreRequest::ReadPage { after, filter, size, counts } => {
            block(db, done, move |db| read::page(db, &shard, after, filter, size, counts))
        }
        StoreRequest::AcceptHello(hello) => {
            if db.inner.own_hellos.contains(hello.nonce) {
                done(StoreReply::Failed {
                    code: "ERR_CONFIG".into(),
                    reason: OWN_ADDRESS.into(),
                    retry: false,
                });
                return Serving::Submitted;
            }
            submit(db, done, move |writer| write::meet(writer, &shard, &hello))
        }
        StoreRequest::Apply { remote, batches } => {
            submit(db, done, move |writer| write::apply(writer, &shard, remote, &batches))
        }
        StoreRequest::End { remote, batches, end } => {
            submit(db, done, move |writer| write::end(writer, &shard, remote, &batches, &end))
        }
        StoreRequest::FindRows { ids, size } => block(db, done, move |db| read::rows(db, &shard, ids, size)),
        StoreRequest::JoinAnswer { remote, asked, answer } => {
            submit(db, done, move |writer| write::join_answer(writer, &shard, remote, &asked, &answer))
        }
        StoreRequest::SplitRanges(ranges) => block(db, done, move |db| repair::split(db, &shard, ranges)),
        StoreRequest::CompareRanges(theirs) => block(db, done, move |db| repair::compare(db, &shard, theirs)),
        StoreRequest::ReadRange { range, size } => {
            block(db, done, move |db| repair::read(db, &shard, range, size))
        }
        StoreRequest::JoinRange { remote, rows, preference } => {
            submit(db, done, move |writer| repair::join(writer, &shard, remote, &rows, preference))
        }
        StoreRequest::SettleRepair(peer) => {
            let (of, held) = (shard.clone(), peer.clone());
            let count = move |db: &VectrDB| repair::count_settled(db, &of, held);
            let settle = move |writer: &mut Writer, counted: Option<&CountedRows>| {
                repair::settle(writer, &shard, &peer, counted)
            };
            count_first(db, done, count, settle)
        }
        StoreRequest::FinishRepair { remote, matches } => {
            let of = shard.clone();
            let count = move |db: &VectrDB| repair::count(db, &of, matches);
            let finish = move |writer: &mut Writer, counted: Option<&CountedRows>| {
                repair::finish(writer, &shard, remote, matches, counted)
            };
            count_first(db, done, count, finish)
        }
        StoreRequest::ResetSite(site) => submit(db, done, move |writer| write::reset_site(writer, site)),
        StoreRequest::AwaitDurable(commit_no) => {
            db.when_durable(commit_no, |durable| done(durable.map_or_else(failed, StoreReply::Durable)));
            Serving::Submitted
        }
        StoreRequest::AwaitCommit(after) => {
            Serving::Subscribed(await_commit(db, &shard, after, move || done(StoreReply::Committed)))
        }
    }
}

/// Ends a repair of which nothing was written, because the peer has no right to: answers
/// [`StoreRequest::FinishRepair`] with what the shard is, as [`serve`] does, and writes nothing. A shard that does not
/// exist reads as an empty one.
pub fn finish_unwritten_repair(
    db: &VectrDB,
    shard: &ShardId,
    remote: Box<RemoteApply>,
    done: impl FnOnce(StoreReply) + Send + 'static,
) -> Serving {
    let shard = shard.clone();
    block(db, done, move |db| repair::finish_unwritten(db, &shard, remote))
}

/// Carries out a request as [`serve`] does, and waits for the reply.
#[must_use]
pub fn serve_blocking(db: &VectrDB, shard: &ShardId, request: StoreRequest) -> StoreReply {
    let (sender, reply) = sync_channel(1);
    let serving = serve(db, shard, request, move |reply| {
        // The receiver is below.
        let _ = sender.send(reply);
    });
    let _subscription = match serving {
        Serving::Submitted => None,
        Serving::Blocking(read) => {
            read.run();
            None
        }
        Serving::Subscribed(subscription) => Some(subscription),
    };
    reply.recv().expect("every request is answered")
}

fn block(
    db: &VectrDB,
    done: impl FnOnce(StoreReply) + Send + 'static,
    read: impl FnOnce(&VectrDB) -> Result<StoreReply, CoreError> + Send + 'static,
) -> Serving {
    let db = db.clone();
    Serving::Blocking(BlockingRead(Box::new(move || done(read(&db).unwrap_or_else(failed)))))
}

/// Counts rows first, so that no other write waits for that.
fn count_first(
    db: &VectrDB,
    done: impl FnOnce(StoreReply) + Send + 'static,
    count: impl FnOnce(&VectrDB) -> Result<Option<CountedRows>, CoreError> + Send + 'static,
    work: impl FnOnce(&mut Writer, Option<&CountedRows>) -> write::Outcome + Send + 'static,
) -> Serving {
    let db = db.clone();
    Serving::Blocking(BlockingRead(Box::new(move || match count(&db) {
        Ok(counted) => enqueue(&db, done, move |writer| work(writer, counted.as_ref())),
        Err(error) => done(failed(error)),
    })))
}

fn submit(
    db: &VectrDB,
    done: impl FnOnce(StoreReply) + Send + 'static,
    work: impl FnOnce(&mut Writer) -> write::Outcome + Send + 'static,
) -> Serving {
    enqueue(db, done, work);
    Serving::Submitted
}

fn enqueue(
    db: &VectrDB,
    done: impl FnOnce(StoreReply) + Send + 'static,
    work: impl FnOnce(&mut Writer) -> write::Outcome + Send + 'static,
) {
    // No handle of the database goes along: dropping the last one on the writer's thread would wait for that thread.
    let path = db.path().map(Path::to_owned);
    db.submit(JobKind::Autocommit, work, move |outcome| {
        done(outcome.unwrap_or_else(|refusal| refused(refusal, path.as_deref())));
    });
}

fn refused(refusal: Refusal<CoreError>, path: Option<&Path>) -> StoreReply {
    match refusal {
        Refusal::Frontier => StoreReply::Frontier,
        Refusal::NewLife => StoreReply::SiteReset,
        Refusal::Forked => StoreReply::Forked,
        Refusal::Shard(error) => {
            StoreReply::Failed { code: error.code().into(), reason: error.to_string(), retry: false }
        }
        Refusal::Store(error) => failed(error.with_path(path)),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape of `unwrap_or_else`")]
fn failed(error: CoreError) -> StoreReply {
    StoreReply::Failed { code: error.code().into(), reason: error.to_string(), retry: error.is_transient() }
}

const OWN_ADDRESS: &str = "the address of this peer leads to this very database: take it off the list of peers. Nothing was changed";
