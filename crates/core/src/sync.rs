//! What a sync session asks of a shard: each call is one transaction.

use vectr_delta::{
    Applied, Batch, ChangeId, CommitNo, End, Ended, Fingerprint, Hello, HelloOffer, Intake, Page, PageSize,
    Refusal, Renewal, ShardId, Timestamp, VersionVector,
};

use crate::desk::Scope;
use crate::durability::Barrier;
use crate::write_shard::WriteShard;
use crate::writer::Writer;
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
        let wall = offer.clock;
        if Renewal::of_clock(self.read(|snapshot| Ok(snapshot.last_stamp()))?, wall).is_some() {
            self.call(Scope::Outside, Writer::renew_after_clock)?;
        }
        let (shard, peer, offer) = (shard.clone(), *peer, offer.clone());
        self.read(move |snapshot| vectr_delta::read_hello(&snapshot.shard(&shard)?, &peer, &offer))
    }

    /// Takes over what the peer says of the shard; makes the shard where it does not exist.
    ///
    /// # Errors
    /// As [`Intake::meet`]; nothing has changed then.
    pub fn meet(&self, shard: &ShardId, hello: &Hello) -> Result<(), Refusal<CoreError>> {
        let hello = hello.clone();
        self.write_synced(shard, move |shard| Intake::meet(shard, &hello))
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
        mut intake: Box<Intake>,
        batches: Vec<Batch>,
    ) -> Result<(Box<Intake>, Applied), Refusal<CoreError>> {
        self.write_synced(shard, move |shard| {
            let wall = shard.wall();
            let applied = intake.apply(shard, &batches, wall)?;
            Ok((intake, applied))
        })
    }

    /// Takes over the peer's version vector. The number is that of the transaction that must be durable before the
    /// peer hears of it.
    ///
    /// # Errors
    /// As [`Intake::end`]; nothing has changed then, and the session is over.
    pub fn end(
        &self,
        shard: &ShardId,
        mut intake: Box<Intake>,
        end: Box<End>,
    ) -> Result<(Box<Intake>, Ended, CommitNo), Refusal<CoreError>> {
        self.check_open()?;
        let shard = shard.clone();
        let done = self.inner.desk.call(Scope::Outside, move |writer| {
            let ended = writer.write_shard(&shard, |shard| intake.end(shard, &end))?;
            Ok((intake, ended, writer.ledger.committed().commit_no))
        });
        done.map_err(|refusal| self.placed_refusal(refusal))
    }

    /// Waits until a transaction survives a power cut; returns the last one that does. In memory none does: returns at
    /// once.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn await_durable(&self, commit_no: CommitNo) -> Result<CommitNo, CoreError> {
        self.check_open()?;
        let committed = self.commit_no();
        if !self.is_durable() {
            return Ok(committed);
        }
        let desk = &self.inner.desk;
        let order = |mut barrier: Barrier| {
            desk.hand_in(Scope::Outside, move |writer| {
                barrier.begin();
                barrier.end(writer.and_then(Writer::barrier));
            });
        };
        self.inner.durability.wait(commit_no.min(committed), order).map_err(|error| self.placed(error))
    }

    /// The last transaction.
    #[must_use]
    pub fn commit_no(&self) -> CommitNo {
        self.inner.announcement.commit_no()
    }

    /// Calls `listener` after each transaction that changed something, on the writer's thread: it must be quick, and
    /// must not call the database.
    pub fn on_commit(&self, listener: Box<dyn Fn(CommitNo) + Send + Sync>) -> Subscription {
        self.inner.announcement.subscribe(listener)
    }

    /// Takes a new site and writes this node's affected versions again, in one transaction.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn renew(&self, renewal: Renewal) -> Result<(), CoreError> {
        self.call(Scope::Outside, move |writer| writer.renew(renewal))
    }

    /// Remembers when the shard was synced. No transaction for anyone to wait for.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn note_sync(&self, shard: &ShardId, at: Timestamp) -> Result<(), CoreError> {
        let shard = shard.clone();
        self.call(Scope::Outside, move |writer| writer.ledger.note_sync(&shard, at))
    }

    fn write_synced<T: Send + 'static>(
        &self,
        shard: &ShardId,
        work: impl FnOnce(&mut WriteShard<'_>) -> Result<T, Refusal<CoreError>> + Send + 'static,
    ) -> Result<T, Refusal<CoreError>> {
        self.check_open()?;
        let shard = shard.clone();
        let done = self.inner.desk.call(Scope::Outside, move |writer| writer.write_shard(&shard, work));
        done.map_err(|refusal| self.placed_refusal(refusal))
    }

    fn placed_refusal(&self, refusal: Refusal<CoreError>) -> Refusal<CoreError> {
        match refusal {
            Refusal::Store(error) => Refusal::Store(self.placed(error)),
            other => other,
        }
    }
}
