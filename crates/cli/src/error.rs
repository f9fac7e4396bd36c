use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vectr_core::CoreError;
use vectr_delta::DeltaError;
use vectr_sync::SyncError;
use vectr_transport::TransportError;

/// An error of the command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// An invalid value of an option.
    #[error("{name} '{value}': {hint}")]
    Argument {
        /// The option.
        name: &'static str,
        /// The given value.
        value: String,
        /// The allowed values.
        hint: String,
    },
    /// A problem of this machine's configuration.
    #[error("{subject}: {reason}")]
    Config {
        /// The variable, file or address.
        subject: String,
        /// The problem.
        reason: String,
    },
    /// A folder without a database.
    #[error("no database file in '{}': give a folder that contains one, or the path of one file", path.display())]
    NoDatabase {
        /// The folder.
        path: PathBuf,
    },
    /// The user interrupted the command.
    #[error("interrupted")]
    Stopped,
    /// Writing to standard output failed.
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

    /// Whether the reader of the output has closed it, as `head` does. That is no error.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// An error in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    /// The file that it concerns, as it was given, if the command names several.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    error: String,
    error_code: String,
}

impl Failure {
    pub(crate) fn of(error: &CliError, path: Option<&Path>) -> Self {
        let path = path.map(|path| path.display().to_string());
        Self { path, error: error.to_string(), error_code: error.code().to_owned() }
    }
}
