use std::path::PathBuf;

use vectr_core::CoreError;
use vectr_delta::{DeltaError, Fingerprint, ShardId};
use vectr_transport::TransportError;

use crate::session::read_only::FORBIDDEN;

/// Why the engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The engine was closed.
    #[error("the sync engine is closed: make a new one")]
    Closed,
    /// The coordinator was closed; its engine may be open.
    #[error("the coordinator is closed: make a new one")]
    CoordinatorClosed,
    /// The caller gave up.
    #[error("the sync was aborted")]
    Aborted,
    /// The peer was silent for too long.
    #[error("peer {address} was silent for {seconds} s in the middle of a session")]
    Silent {
        /// Where the peer is.
        address: String,
        /// For how long.
        seconds: u64,
    },
    /// No registered peer is at this address.
    #[error("no peer at '{address}' is registered: register it with this very address first")]
    UnknownPeer {
        /// What was asked for.
        address: String,
    },
    /// A limit of concurrent syncs that cannot be kept.
    #[error("maxConcurrentSyncs {given}: give a whole number from 1 to 1024")]
    Concurrency {
        /// What was asked for.
        given: usize,
    },
    /// This node's rights give the peer nothing of a shard.
    #[error("shard '{shard}' is not shared with the peer {peer}: grant it to that peer in tls.rights here")]
    Forbidden {
        /// Which shard.
        shard: ShardId,
        /// Who is there.
        peer: Fingerprint,
    },
    /// Two databases of one server hold the same shard.
    #[error(
        "shard '{shard}' lies in '{}' and in '{}': a server needs one home for each shard, so serve them apart",
        files[0].display(), files[1].display()
    )]
    ShardTwice {
        /// Which.
        shard: ShardId,
        /// The two files.
        files: [PathBuf; 2],
    },
    /// A server without a database.
    #[error("there is no database to serve")]
    NoDatabase,
    /// A session ended without success.
    #[error("{message}")]
    Session {
        /// A stable code, this node's or the peer's.
        code: String,
        /// What happened.
        message: String,
        /// Whether trying again can help.
        retry: bool,
    },
    /// The shard's storage.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The connection.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A value or message.
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
            Self::Silent { .. } => "ERR_TIMEOUT",
            Self::UnknownPeer { .. } => "ERR_UNKNOWN_PEER",
            Self::Concurrency { .. } => "ERR_ARGUMENT",
            Self::Forbidden { .. } => FORBIDDEN,
            Self::ShardTwice { .. } | Self::NoDatabase => "ERR_CONFIG",
            Self::Session { code, .. } => code,
            Self::Core(error) => error.code(),
            Self::Transport(error) => error.code(),
            Self::Delta(error) => error.code(),
        }
    }

    /// Whether trying again can help. Never for trust.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Silent { .. } => true,
            Self::Session { retry, .. } => *retry,
            Self::Core(error) => error.is_transient(),
            Self::Transport(error) => error.is_transient(),
            Self::Closed
            | Self::CoordinatorClosed
            | Self::Aborted
            | Self::UnknownPeer { .. }
            | Self::Concurrency { .. }
            | Self::Forbidden { .. }
            | Self::ShardTwice { .. }
            | Self::NoDatabase
            | Self::Delta(_) => false,
        }
    }

    /// Whether the session is to be started afresh at once.
    pub(crate) fn is_restart(&self) -> bool {
        self.code() == "ERR_RESTART"
    }
}
