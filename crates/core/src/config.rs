use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vectr_delta::{Dimensions, NodeName, ShardId, Timestamp};

/// How to open a database. The default is a database in memory.
///
/// Set the fields directly or by the methods of the same names; [`Config::open`] opens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The file. `None`, the default: in memory.
    pub path: Option<PathBuf>,
    /// Shard used by calls that do not name one. Default: the one recorded in the file, else the file's stem, or
    /// `default` in memory.
    pub shard: Option<ShardId>,
    /// The node's name. Default: the one recorded in the file, else unnamed until
    /// [`VectrDB::name_node`](crate::VectrDB::name_node).
    pub node: Option<NodeName>,
    /// Dimensions of shards that have no vector yet. Default: those of the first vector.
    pub dimensions: Option<Dimensions>,
    /// Folder in volatile memory (a tmpfs) for the proof that nothing happened to a file between two openings. Default:
    /// `$VECTR_RUNTIME_DIR`, else in `$XDG_RUNTIME_DIR` or `/dev/shm`. On a disk it proves nothing, and each opening that
    /// writes takes a new site.
    pub runtime_dir: Option<PathBuf>,
    /// The wall clock. Default: the system's.
    pub clock: Clock,
    /// How long calls wait for an open transaction, of this or of another process, to end before they fail with `ERR_BUSY`.
    /// Default: 5 s.
    pub busy_timeout: Duration,
    /// The size in bytes of the write-ahead log at which queries and iterations that keep it from being emptied are cut
    /// off with `ERR_BUSY`. Default: 256 MiB. The log can be longer by half of it before they are, and for as long as
    /// one of the database's own reads lasts.
    pub log_limit: u64,
    /// Whether the file is only read, beside others who write it, or in a folder where nothing may be written. Default:
    /// false. Nothing is created, and each call that writes fails with `ERR_READ_ONLY`.
    pub read_only: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: None,
            shard: None,
            node: None,
            dimensions: None,
            runtime_dir: None,
            clock: Clock::default(),
            busy_timeout: Duration::from_secs(5),
            log_limit: 256 << 20,
            read_only: false,
        }
    }
}

impl Config {
    /// The default configuration for a file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// Sets the file. Missing parent folders are made when it is opened.
    pub fn path(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.path = Some(path.into());
        self
    }

    /// Sets the shard used by calls that do not name one.
    pub fn shard(&mut self, shard: ShardId) -> &mut Self {
        self.shard = Some(shard);
        self
    }

    /// Sets the name of the node.
    pub fn node(&mut self, node: NodeName) -> &mut Self {
        self.node = Some(node);
        self
    }

    /// Sets the dimensions of shards that have no vector yet.
    pub fn dimensions(&mut self, dimensions: Dimensions) -> &mut Self {
        self.dimensions = Some(dimensions);
        self
    }

    /// Sets the folder of the record that proves a file's continuity.
    pub fn runtime_dir(&mut self, runtime_dir: impl Into<PathBuf>) -> &mut Self {
        self.runtime_dir = Some(runtime_dir.into());
        self
    }

    /// Sets the wall clock.
    pub fn clock(&mut self, clock: Clock) -> &mut Self {
        self.clock = clock;
        self
    }

    /// Sets how long other calls wait while a transaction is open.
    pub const fn busy_timeout(&mut self, busy_timeout: Duration) -> &mut Self {
        self.busy_timeout = busy_timeout;
        self
    }

    /// Sets the size in bytes at which readers that hold the write-ahead log are cut off.
    pub const fn log_limit(&mut self, log_limit: u64) -> &mut Self {
        self.log_limit = log_limit;
        self
    }

    /// Opens the file for reading only. Default: for writing too.
    pub const fn read_only(&mut self) -> &mut Self {
        self.read_only = true;
        self
    }
}

/// A wall clock.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    of_system: bool,
}

impl Clock {
    /// A clock that reads what `now` returns.
    #[must_use]
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), of_system: false }
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// A moment that has certainly passed by the system's clock.
    pub(crate) fn not_before(&self) -> Timestamp {
        if self.of_system { RELEASED } else { Timestamp::default() }
    }

    /// Whether a jump of it can be told from the time since the boot.
    pub(crate) const fn is_of_system(&self) -> bool {
        self.of_system
    }
}

/// When this code was released: the system's clock is behind if it shows an earlier time. Raise it with each release.
const RELEASED: Timestamp = Timestamp::from_micros(1_795_910_400_000_000);

impl Default for Clock {
    /// The system's clock. A time before 1970 reads as 1970.
    fn default() -> Self {
        let clock = Self::new(|| {
            let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp::default().after(elapsed)
        });
        Self { of_system: true, ..clock }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
