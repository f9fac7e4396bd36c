use std::fmt;
use std::path::PathBuf;

use crate::TransportError;

/// A file named by a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFile {
    /// The option or environment variable that named it, for errors.
    pub name: &'static str,
    /// The path of the file.
    pub path: PathBuf,
}

impl TlsFile {
    pub(crate) fn refuse(&self, reason: &(impl fmt::Display + ?Sized)) -> TransportError {
        TransportError::config(self, &reason)
    }
}

impl fmt::Display for TlsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}'", self.name, self.path.display())
    }
}
