//! What a sync session asks of a shard: each call is one transaction.

use std::path::Path;
use std::sync::Arc;

use vectr_delta::{
    Applied, Batch, ChangeId, CommitNo, End, Ended, Fingerprint, Hello, HelloOffer, Intake, Page, PageSize,
    Refusal, Renewal, ShardId, ShardRead, Timestamp, VersionVector,
};

use crate::writer::Writer;
use crate::writer::barriers::Barriers;
use crate::writer::queue::JobKind;
use crate::{CoreError, Subscription, VectrDB};

impl VectrDB {
    /// Reads what a Hello says of the shard, and the transaction it was read in. A shard that does not exist is read as
    /// an empty one.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn read_hello(
        &self,
        shard: &ShardId,
        peer: &Fingerprint,
        offer: &HelloOffer,
    ) -> Result<(Hello, CommitNo), CoreError> {
        let read = |renewed: bool| {
            let (shard, peer, offer) = (shard.clone(), *peer, offer.clone());
            self.read(move |snapshot| {
                // The database's own clock decides whether to renew; once is enough, whatever the offer says.
                if !renewed && Renewal::of_clock(snapshot.last_stamp(), offer.clock).is_some() {
                    return Ok(None);
                }
                vectr_delta::read_hello(&snapshot.shard(&shard)?, &peer, &offer).map(Some)
            })
        };
        if let Some(hello) = read(false)? {
            return Ok(hello);
        }
        self.call(JobKind::Autocommit, Writer::reset_site_after_clock_correction)?;
        Ok(read(true)?.expect("a second look does not ask again"))
    }

    /// Takes over what the peer says of the shard; makes the shard where it does not exist.
    ///
    /// # Errors
    /// As [`Intake::meet`]; nothing has changed then.
    pub fn meet(&self, shard: &ShardId, hello: &Hello) -> Result<(), Refusal<CoreError>> {
        self.wait_for(meeting(shard, hello))
    }

    /// As [`VectrDB::meet`], without waiting: `done` is called on the writer's thread, and must be quick.
    pub fn meet_then(&self, shard: &ShardId, hello: &Hello, done: impl Outcome<()>) {
        self.enqueue(meeting(shard, hello), done);
    }

    /// Reads rows with news for someone who holds what `filter` covers.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn read_page(
        &self,
        shard: &ShardId,
        after: ChangeId,
        filter: Option<&VersionVector>,
        size: PageSize,
    ) -> Result<Page, CoreError> {
        let (shard, filter) = (shard.clone(), filter.cloned());
        self.read(move |snapshot| {
            vectr_delta::read_page(&snapshot.shard(&shard)?, after, filter.as_ref(), size)
        })
    }

    /// Joins batches of the peer, in one transaction.
    ///
    /// # Errors
    /// As [`Intake::apply`]; nothing has changed then, and the session is over.
    pub fn apply(
        &self,
        shard: &ShardId,
        intake: Box<Intake>,
        batches: Vec<Batch>,
    ) -> Result<BatchesTaken, Refusal<CoreError>> {
        self.wait_for(applying(shard, intake, batches))
    }

    /// As [`VectrDB::apply`], without waiting: `done` is called on the writer's thread, and must be quick.
    pub fn apply_then(
        &self,
        shard: &ShardId,
        intake: Box<Intake>,
        batches: Vec<Batch>,
        done: impl Outcome<BatchesTaken>,
    ) {
        self.enqueue(applying(shard, intake, batches), done);
    }

    /// Joins the batches that came last, and takes over the peer's version vector, in one transaction.
    ///
    /// # Errors
    /// As [`Intake::end`]; nothing has changed then, and the session is over.
    pub fn end(
        &self,
        shard: &ShardId,
        intake: Box<Intake>,
        batches: Vec<Batch>,
        end: Box<End>,
    ) -> Result<EndTaken, Refusal<CoreError>> {
        self.wait_for(ending(shard, intake, batches, end))
    }

    /// As [`VectrDB::end`], without waiting: `done` is called on the writer's thread, and must be quick.
    pub fn end_then(
        &self,
        shard: &ShardId,
        intake: Box<Intake>,
        batches: Vec<Batch>,
        end: Box<End>,
        done: impl Outcome<EndTaken>,
    ) {
        self.enqueue(ending(shard, intake, batches, end), done);
    }

    /// Waits until a transaction survives a power cut; returns the last one that does. In memory none does: returns at
    /// once.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn await_durable(&self, commit_no: CommitNo) -> Result<CommitNo, CoreError> {
        self.check_open()?;
        match self.barriers() {
            Some(barriers) => barriers.wait(commit_no.min(self.commit_no())),
            None => Ok(self.commit_no()),
        }
    }

    /// As [`VectrDB::await_durable`], without waiting: `done` is called at once or on the writer's thread, and must be
    /// quick.
    pub fn await_durable_then(
        &self,
        commit_no: CommitNo,
        done: impl FnOnce(Result<CommitNo, CoreError>) + Send + 'static,
    ) {
        if let Err(closed) = self.check_open() {
            return done(Err(closed));
        }
        match self.barriers() {
            Some(barriers) => barriers.on_durable(commit_no.min(self.commit_no()), done),
            None => done(Ok(self.commit_no())),
        }
    }

    /// What makes transactions durable; `None` in memory, where none is.
    #[must_use]
    pub fn barriers(&self) -> Option<Barriers> {
        let path = self.path()?.into();
        let inner = &self.inner;
        Some(Barriers { durability: Arc::clone(&inner.durability), queue: inner.queue.clone(), path })
    }

    /// The last transaction that survives a power cut; in memory the last one of all, as none does.
    #[must_use]
    pub fn durable_no(&self) -> CommitNo {
        if self.is_durable() { self.inner.durability.durable() } else { self.commit_no() }
    }

    /// The last transaction.
    #[must_use]
    pub fn commit_no(&self) -> CommitNo {
        self.inner.notifier.commit_no()
    }

    /// Calls `listener` after each transaction that changed something, on the writer's thread: it must be quick, and
    /// must not call the database.
    pub fn on_commit(&self, listener: Box<dyn Fn(CommitNo) + Send + Sync>) -> Subscription {
        self.inner.notifier.subscribe(listener)
    }

    /// Takes a new site and writes this node's affected versions again, in one transaction.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn renew(&self, renewal: Renewal) -> Result<(), CoreError> {
        self.call(JobKind::Autocommit, move |writer| writer.reset_site(renewal))
    }

    /// Remembers when the shard was synced. No transaction for anyone to wait for.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn note_sync(&self, shard: &ShardId, at: Timestamp) -> Result<(), CoreError> {
        let shard = shard.clone();
        self.call(JobKind::Autocommit, move |writer| writer.connection.note_sync(&shard, at))
    }

    fn wait_for<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Refusal<CoreError>> + Send + 'static,
    ) -> Result<T, Refusal<CoreError>> {
        self.check_open()?;
        self.inner.queue.call(JobKind::Autocommit, work).map_err(|refusal| with_path(refusal, self.path()))
    }

    fn enqueue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Refusal<CoreError>> + Send + 'static,
        done: impl Outcome<T>,
    ) {
        if let Err(closed) = self.check_open() {
            return done(Err(closed.into()));
        }
        // No handle of the database: the last one must not be dropped on the writer's thread, which it waits for.
        let path = self.path().map(Path::to_owned);
        let done =
            move |outcome: Result<T, _>| done(outcome.map_err(|refusal| with_path(refusal, path.as_deref())));
        self.inner.queue.submit(JobKind::Autocommit, work, done);
    }
}

/// What joining batches did.
#[derive(Debug)]
pub struct BatchesTaken {
    /// To be used for what comes next.
    pub intake: Box<Intake>,
    /// What the batches did.
    pub applied: Applied,
    /// The change ids of the rows that changed.
    pub changes: Option<ChangeSpan>,
}

/// The change ids that one transaction gave out: those above `after`, up to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeSpan {
    /// The last one before.
    pub after: ChangeId,
    /// The last one.
    pub to: ChangeId,
}

impl ChangeSpan {
    /// `None` where none was given out.
    fn between(after: ChangeId, to: ChangeId) -> Option<Self> {
        (to > after).then_some(Self { after, to })
    }
}

/// What taking an end over did, and the transaction that must be durable before the peer hears of it.
#[derive(Debug)]
pub struct EndTaken {
    /// To be used for what comes next.
    pub intake: Box<Intake>,
    /// What the batches did.
    pub applied: Applied,
    /// The change ids of the rows that changed.
    pub changes: Option<ChangeSpan>,
    /// What the end did.
    pub ended: Ended,
    /// An earlier transaction where only the cursor moved: losing that costs a second look and nothing else.
    pub commit_no: CommitNo,
}

/// Takes what comes of a call that does not wait.
pub trait Outcome<T>: FnOnce(Result<T, Refusal<CoreError>>) + Send + 'static {}

impl<T, F: FnOnce(Result<T, Refusal<CoreError>>) + Send + 'static> Outcome<T> for F {}

fn meeting(
    shard: &ShardId,
    hello: &Hello,
) -> impl FnOnce(&mut Writer) -> Result<(), Refusal<CoreError>> + Send + use<> {
    let (shard, hello) = (shard.clone(), hello.clone());
    move |writer| writer.write_shard(&shard, |shard| Intake::meet(shard, &hello))
}

fn applying(
    shard: &ShardId,
    mut intake: Box<Intake>,
    batches: Vec<Batch>,
) -> impl FnOnce(&mut Writer) -> Result<BatchesTaken, Refusal<CoreError>> + Send + use<> {
    let shard = shard.clone();
    move |writer| {
        writer.write_shard(&shard, |shard| {
            let (wall, after) = (shard.wall(), shard.change_id());
            let applied = intake.apply(shard, &batches, wall)?;
            Ok(BatchesTaken { intake, applied, changes: ChangeSpan::between(after, shard.change_id()) })
        })
    }
}

fn ending(
    shard: &ShardId,
    mut intake: Box<Intake>,
    batches: Vec<Batch>,
    end: Box<End>,
) -> impl FnOnce(&mut Writer) -> Result<EndTaken, Refusal<CoreError>> + Send + use<> {
    let shard = shard.clone();
    move |writer| {
        writer.connection.refresh()?;
        let before = writer.connection.committed().commit_no;
        let (learnt, applied, changes, ended) = writer.write_shard(&shard, |shard| {
            let (known, after) = (shard.state().version_vector.clone(), shard.change_id());
            let applied = if batches.is_empty() {
                Applied::default()
            } else {
                let wall = shard.wall();
                intake.apply(shard, &batches, wall)?
            };
            let ended = intake.end(shard, &end)?;
            let changes = ChangeSpan::between(after, shard.change_id());
            Ok::<_, Refusal<CoreError>>((ended.version_vector != known, applied, changes, ended))
        })?;
        let moved_only_the_cursor = !learnt && applied.changed == 0;
        let commit_no = if moved_only_the_cursor { before } else { writer.connection.committed().commit_no };
        Ok(EndTaken { intake, applied, changes, ended, commit_no })
    }
}

fn with_path(refusal: Refusal<CoreError>, path: Option<&Path>) -> Refusal<CoreError> {
    match refusal {
        Refusal::Store(error) => Refusal::Store(error.with_path(path)),
        other => other,
    }
}
