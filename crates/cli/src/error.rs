use std::io;
use std::path::PathBuf;

use vectr_core::CoreError;
use vectr_delta::DeltaError;
use vectr_sync::SyncError;
use vectr_transport::TransportError;

/// Why the command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// A value that cannot be used.
    #[error("{name} '{value}': {hint}")]
    Argument {
        /// The option.
        name: &'static str,
        /// What it was given.
        value: String,
        /// What is allowed.
        hint: String,
    },
    /// Something on this machine has to be put right.
    #[error("{subject}: {reason}")]
    Config {
        /// The variable, file or address.
        subject: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder without a database.
    #[error("'{}' holds no database file: give a folder that does, or the path of one file", path.display())]
    NoDatabase {
        /// The folder.
        path: PathBuf,
    },
    /// The user wants no more.
    #[error("interrupted")]
    Stopped,
    /// Standard output takes nothing.
    #[error("standard output: {0}")]
    Output(#[source] io::Error),
    /// The database.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// A value.
    #[error(transparent)]
    Delta(#[from] DeltaError),
    /// The engine.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The network.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl CliError {
    /// The stable code.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Argument { .. } => "ERR_ARGUMENT",
            Self::Config { .. } | Self::NoDatabase { .. } => "ERR_CONFIG",
            Self::Stopped => "ERR_ABORTED",
            Self::Output(_) => "ERR_OUTPUT",
            Self::Core(error) => error.code(),
            Self::Delta(error) => error.code(),
            Self::Sync(error) => error.code(),
            Self::Transport(error) => error.code(),
        }
    }

    /// Whether the reader of the output has left, as `head` does: nothing to complain of.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
