use vectr_core::CoreError;
use vectr_delta::DeltaError;
use vectr_transport::TransportError;

/// Why the engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The engine was closed.
    #[error("the sync engine is closed: make a new one")]
    Closed,
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
            Self::Closed => "ERR_CLOSED",
            Self::Aborted => "ERR_ABORTED",
            Self::Silent { .. } => "ERR_TIMEOUT",
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
            Self::Closed | Self::Aborted | Self::Delta(_) => false,
        }
    }

    /// Whether the session is to be started afresh at once.
    pub(crate) fn is_restart(&self) -> bool {
        self.code() == "ERR_RESTART"
    }
}
