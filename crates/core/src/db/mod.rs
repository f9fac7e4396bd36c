pub(crate) mod access;
pub(crate) mod backup;
pub(crate) mod builder;
pub(crate) mod changelog;
pub(crate) mod commits;
pub(crate) mod conflicts;
pub(crate) mod iter;
pub(crate) mod open;
pub(crate) mod overview;
pub(crate) mod peers;
pub(crate) mod query;
pub(crate) mod search;
pub(crate) mod shard;
pub(crate) mod status;
pub(crate) mod transaction;
pub(crate) mod vectors;
pub(crate) mod version_vector;

use std::borrow::Borrow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use vectr_delta::{Alteration, Dimensions, NodeName, ShardId, ShardWrite, SiteId, Timestamp};

use crate::db::access::Access;
use crate::db::access::read_only::open_read_only;
use crate::db::open::{Held, open};
use crate::db::query::guard::QueryGuard;
use crate::incarnation::boot::BootWatch;
use crate::replication::own_hellos::OwnHellos;
use crate::storage::reader_pool::ReaderPool;
use crate::storage::snapshot::Snapshot;
use crate::storage::version_cache::VersionCache;
use crate::writer::commit_notifier::CommitNotifier;
use crate::writer::durability::Durability;
use crate::writer::follower::CommitFollower;
use crate::writer::queue::{JobKind, WriteQueue};
use crate::writer::{TransactionId, Writer};
use crate::{Clock, Config, CoreError};

/// Shards of vectors in one SQLite file, or in memory.
///
/// Clones are handles to the same database. Other openings of the file, in this process and others, are the same node.
/// Every method blocks until its work is done: writes wait for the single writer, reads for a free connection. Dropping
/// the last handle closes the database.
#[derive(Clone)]
pub struct VectrDB {
    pub(crate) inner: Arc<Inner>,
}

/// The shard that a call addresses, and the transaction that it is part of.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The shard.
    pub shard: &'a ShardId,
    /// From [`VectrDB::begin`]. `None`: the call is a transaction of its own.
    pub transaction: Option<TransactionId>,
}

impl<'a> Target<'a> {
    /// A shard, in a transaction of its own.
    #[must_use]
    pub const fn shard(shard: &'a ShardId) -> Self {
        Self { shard, transaction: None }
    }

    pub(crate) fn job_kind(&self) -> JobKind {
        self.transaction.map_or(JobKind::Autocommit, JobKind::InTransaction)
    }
}

pub(crate) struct Inner {
    path: Option<PathBuf>,
    shard: ShardId,
    clock: Clock,
    pub(crate) dimensions: Option<Dimensions>,
    pub(crate) notifier: Arc<CommitNotifier>,
    pub(crate) durability: Arc<Durability>,
    pub(crate) access: Access,
    versions: Arc<VersionCache>,
    pub(crate) busy_timeout: Duration,
    pub(crate) query_guard: QueryGuard,
    pub(crate) own_hellos: OwnHellos,
    pub(crate) boot: Arc<BootWatch>,
    pub(crate) closed: Arc<AtomicBool>,
    running: Mutex<Option<Running>>,
}

/// Held while the database is open.
struct Running {
    /// `None` for reading only.
    writer: Option<JoinHandle<Result<(), CoreError>>>,
    follower: Option<CommitFollower>,
    _held: Option<Held>,
}

impl VectrDB {
    /// Opens a database, or creates it, along with missing parent folders. With [`Config::read_only`] it is only read, and
    /// nothing is created or changed.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a path that is not a regular file or not a SQLite database, `ERR_CONFIG` for a file of
    /// another program or a newer build, `ERR_BUSY` if it is open under another name or by an earlier build, or if
    /// others keep it locked for long, `ERR_NODE_ID` and `ERR_DIMENSIONS` if it records others than `config` names,
    /// `ERR_STORAGE`. A file that is refused is left unchanged.
    pub fn new(config: impl Borrow<Config>) -> Result<Self, CoreError> {
        let config = config.borrow();
        if config.read_only { Self::read_only(config) } else { Self::writable(config) }
    }

    fn writable(config: &Config) -> Result<Self, CoreError> {
        let opened = open(config)?;
        let log = opened.writer.checkpointer.as_ref().map(|checkpointer| Arc::clone(&checkpointer.log));
        let boot = Arc::clone(&opened.writer.incarnation.boot);
        let versions = Arc::clone(&opened.writer.connection.versions);
        let readers = opened.path.as_deref().zip(log).map(|(path, log)| Arc::new(ReaderPool::new(path, log)));
        let (queue, writer) = WriteQueue::start(opened.writer, config.busy_timeout).map_err(|source| {
            CoreError::Storage { reason: format!("cannot start the writer thread: {source}") }
        })?;
        let access = match readers {
            Some(readers) => Access::File(queue, readers),
            None => Access::Memory(queue),
        };
        let running = Running { writer: Some(writer), follower: opened.follower, _held: opened.held };
        let inner = Inner {
            path: opened.path,
            shard: opened.shard,
            clock: config.clock.clone(),
            dimensions: config.dimensions,
            notifier: opened.notifier,
            durability: opened.durability,
            access,
            versions,
            busy_timeout: config.busy_timeout,
            query_guard: QueryGuard::default(),
            own_hellos: OwnHellos::new(opened.presence),
            boot,
            closed: Arc::default(),
            running: Mutex::new(Some(running)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    fn read_only(config: &Config) -> Result<Self, CoreError> {
        let opened = open_read_only(config)?;
        let inner = Inner {
            path: Some(opened.path),
            shard: opened.shard,
            clock: config.clock.clone(),
            dimensions: config.dimensions,
            notifier: opened.notifier,
            // Of none is it known.
            durability: Durability::new(0),
            access: Access::ReadOnly(opened.access),
            versions: opened.versions,
            busy_timeout: config.busy_timeout,
            query_guard: QueryGuard::default(),
            own_hellos: OwnHellos::new(None),
            boot: Arc::default(),
            closed: Arc::default(),
            running: Mutex::new(Some(Running { writer: None, follower: None, _held: None })),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Finishes what is under way, rolls back an open transaction, and releases the file. Closing again does nothing.
    ///
    /// # Errors
    /// `ERR_STORAGE` if the last pages could not be written. The database is closed all the same, and nothing committed
    /// is lost.
    pub fn close(&self) -> Result<(), CoreError> {
        self.inner.close().map_err(|error| self.with_path(error))
    }

    /// The file, as an absolute path. `None` in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.inner.path.as_deref()
    }

    /// Shard used by calls that do not name one.
    #[must_use]
    pub fn default_shard(&self) -> &ShardId {
        &self.inner.shard
    }

    /// Whether it was opened with [`Config::read_only`]: each call that writes then fails with `ERR_READ_ONLY`.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.inner.access.writer().is_none()
    }

    /// The node's name. For reading only: as of the last read.
    #[must_use]
    pub fn node(&self) -> Option<NodeName> {
        self.inner.notifier.node()
    }

    /// The database's current site. For reading only: that of the last read.
    #[must_use]
    pub fn site(&self) -> SiteId {
        self.inner.notifier.site()
    }

    /// The time of the database's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Whether anything can survive a power cut: false in memory.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.inner.path.is_some()
    }

    /// Names the node, if it has no name yet.
    ///
    /// # Errors
    /// `ERR_NODE_ID` if it has another name.
    pub fn name_node(&self, name: &NodeName) -> Result<(), CoreError> {
        let name = name.clone();
        self.call(JobKind::Autocommit, move |writer| writer.write(|connection| connection.name_node(&name)))
    }

    /// Runs `work` on the writer's thread.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        kind: JobKind,
        work: impl FnOnce(&mut Writer) -> Result<T, CoreError> + Send + 'static,
    ) -> Result<T, CoreError> {
        self.check_writable()?.call(kind, work).map_err(|error| self.with_path(error))
    }

    /// Runs `work` on the writer's thread without waiting, and hands the outcome to `done`, on that thread too.
    pub(crate) fn submit<T: 'static, E: From<CoreError> + 'static>(
        &self,
        kind: JobKind,
        work: impl FnOnce(&mut Writer) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) {
        match self.check_writable() {
            Ok(queue) => queue.submit(kind, work, done),
            Err(refused) => done(Err(refused.into())),
        }
    }

    /// Reads from one snapshot of what is committed. `work` is done again where what it has read was of no one state.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Snapshot<'_>) -> Result<T, CoreError> + Send + 'static,
    ) -> Result<T, CoreError> {
        self.check_open()?;
        let dimensions = self.inner.dimensions;
        let Some(readers) = self.inner.access.readers() else {
            return self.call(JobKind::Autocommit, move |writer| {
                writer.connection.refresh()?;
                let connection = &writer.connection;
                let (sqlite, sites) = (&connection.sqlite, &connection.cache.sites);
                work(&Snapshot::begin(sqlite, sites, &connection.versions, dimensions)?)
            });
        };
        let versions = &self.inner.versions;
        let is_read_only = self.is_read_only();
        let done = readers.with(|reader| {
            let snapshot = reader.snapshot(versions, dimensions)?;
            if is_read_only {
                self.inner.notifier.begin_with(snapshot.counters().origin.clone());
            }
            work(&snapshot)
        });
        done.map_err(|error| {
            if let Some(shard) = error.damaged_shard() {
                self.note_damage(shard);
            }
            self.with_path(error)
        })
    }

    /// Has the next sync of a shard repair it. Nobody waits for this.
    pub(crate) fn note_damage(&self, shard: &ShardId) {
        let shard = shard.clone();
        let note = move |writer: &mut Writer| {
            writer.write_shard(&shard, |shard| shard.set_alteration(Alteration::Present))
        };
        self.submit(JobKind::Autocommit, note, drop::<Result<(), CoreError>>);
    }

    pub(crate) fn check_open(&self) -> Result<(), CoreError> {
        if self.inner.closed.load(Ordering::Acquire) { Err(CoreError::Closed) } else { Ok(()) }
    }

    /// The queue of the writer.
    ///
    /// # Errors
    /// `ERR_READ_ONLY` if there is none; `ERR_CLOSED`.
    pub(crate) fn check_writable(&self) -> Result<&WriteQueue, CoreError> {
        self.check_open()?;
        let path = || self.inner.path.clone().unwrap_or_default();
        self.inner.access.writer().ok_or_else(|| CoreError::ReadOnly { path: path() })
    }

    pub(crate) fn with_path(&self, error: CoreError) -> CoreError {
        error.with_path(self.path())
    }
}

impl fmt::Debug for VectrDB {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectrDB").field("path", &self.inner.path).field("site", &self.site()).finish()
    }
}

impl Inner {
    fn close(&self) -> Result<(), CoreError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Release);
        let Some(Running { writer, follower, _held }) = running.take() else { return Ok(()) };
        drop(follower);
        if let Some(readers) = self.access.readers() {
            readers.close();
        }
        let Some((queue, writer)) = self.access.writer().zip(writer) else {
            self.access.stop_following();
            return Ok(());
        };
        queue.enqueue(JobKind::Close, |_| ());
        let ended = writer.join();
        ended.unwrap_or_else(|_| Err(CoreError::Storage { reason: "the writer's thread panicked".into() }))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A drop cannot report an error. What was committed is in the file or in its log.
        let _ = self.close();
    }
}
