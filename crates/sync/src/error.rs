use std::path::PathBuf;
use std::time::Duration;

use vectr_core::CoreError;
use vectr_delta::{DeltaError, Fingerprint, ShardId};
use vectr_transport::TransportError;

use crate::limits::bounds::LIMIT;
use crate::session::read_only::FORBIDDEN;

/// An error of the engine, a server or a coordinator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The engine was closed.
    #[error("the sync engine is closed: create a new one")]
    Closed,
    /// The coordinator was closed. Its engine may still be open.
    #[error("the coordinator is closed: create a new one")]
    CoordinatorClosed,
    /// The caller aborted the sync.
    #[error("the sync was aborted")]
    Aborted,
    /// The sync took longer than its caller allows.
    #[error("the sync took longer than {} ms: give it more time, or sync again, which continues", limit.as_micros().div_ceil(1_000))]
    Late {
        /// The caller's limit.
        limit: Duration,
    },
    /// The peer sent nothing for too long while it was its turn.
    #[error("peer {address} sent nothing for {seconds} s during a session")]
    Silent {
        /// The peer's address.
        address: String,
        /// The timeout, in seconds.
        seconds: u64,
    },
    /// No registered peer is at this address.
    #[error("Peer not found: none is registered at '{address}': register it with exactly this address first")]
    UnknownPeer {
        /// The given value.
        address: String,
    },
    /// The limit of concurrent syncs is out of range.
    #[error("maxConcurrentSyncs {given}: must be an integer from 1 to 1024")]
    Concurrency {
        /// The given value.
        given: usize,
    },
    /// This node's rights grant the peer no access to the shard.
    #[error("this node grants peer {peer} no access to shard '{shard}': grant it in this node's tls.rights")]
    Forbidden {
        /// The shard.
        shard: ShardId,
        /// The peer's fingerprint.
        peer: Fingerprint,
    },
    /// Sessions of a shard with a peer begin anew again and again.
    #[error(
        "sessions of shard '{shard}' with {address} were begun anew too often: the next one waits. If it goes on, look which \
         of the two nodes takes a new site each time, or update the older one"
    )]
    Restarts {
        /// The shard.
        shard: ShardId,
        /// The peer's address.
        address: String,
    },
    /// Two databases of one server hold the same shard.
    #[error(
        "shard '{shard}' is in '{}' and in '{}': each shard must be in one file, so serve these two separately",
        files[0].display(), files[1].display()
    )]
    ShardTwice {
        /// The shard.
        shard: ShardId,
        /// The two database files.
        files: [PathBuf; 2],
    },
    /// A server was given no database.
    #[error("no database to serve: give at least one")]
    NoDatabase,
    /// A session failed.
    #[error("{message}")]
    Session {
        /// A stable code, this node's or the peer's.
        code: String,
        /// The message.
        message: String,
        /// Whether a retry can help.
        retry: bool,
    },
    /// An error of the database.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// An error of the connection.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// An invalid value or message.
    #[error(transparent)]
    Delta(#[from] DeltaError),
}

impl SyncError {
    /// The stable code that JavaScript sees as `error.code`.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Closed | Self::CoordinatorClosed => "ERR_CLOSED",
            Self::Aborted => "ERR_ABORTED",
            Self::Silent { .. } | Self::Late { .. } => "ERR_TIMEOUT",
            Self::UnknownPeer { .. } => "ERR_UNKNOWN_PEER",
            Self::Concurrency { .. } => "ERR_ARGUMENT",
            Self::Forbidden { .. } => FORBIDDEN,
            Self::ShardTwice { .. } | Self::NoDatabase => "ERR_CONFIG",
            Self::Restarts { .. } => LIMIT,
            Self::Session { code, .. } => code,
            Self::Core(error) => error.code(),
            Self::Transport(error) => error.code(),
            Self::Delta(error) => error.code(),
        }
    }

    /// Whether a retry can help. Never for trust.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Silent { .. } | Self::Restarts { .. } => true,
            Self::Session { retry, .. } => *retry,
            Self::Core(error) => error.is_transient(),
            Self::Transport(error) => error.is_transient(),
            Self::Closed
            | Self::CoordinatorClosed
            | Self::Aborted
            | Self::Late { .. }
            | Self::UnknownPeer { .. }
            | Self::Concurrency { .. }
            | Self::Forbidden { .. }
            | Self::ShardTwice { .. }
            | Self::NoDatabase
            | Self::Delta(_) => false,
        }
    }

    /// Whether a new session is to start at once.
    pub(crate) fn is_restart(&self) -> bool {
        self.code() == "ERR_RESTART"
    }
}
