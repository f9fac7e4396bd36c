use std::fmt;
use std::path::PathBuf;

use crate::TransportError;

/// A file that a configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFile {
    /// What it was given as, for errors: an option, or a variable of the environment.
    pub name: &'static str,
    /// Where it is.
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
