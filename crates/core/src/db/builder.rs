//! Opening a database in one line.

use std::path::PathBuf;

use crate::{Config, CoreError, VectrDB};

impl VectrDB {
    /// Opens the database in a file with the default configuration, or makes a new one.
    ///
    /// # Errors
    /// As [`VectrDB::new`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CoreError> {
        Self::new(Config::file(path))
    }

    /// The default configuration, to be changed and opened.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use vectr_core::VectrDB;
    ///
    /// // Without a path the database is in memory.
    /// let db = VectrDB::builder().node("agent-1".try_into()?).dimensions(384.try_into()?).open()?;
    /// assert_eq!(db.node().as_deref(), Some("agent-1"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn builder() -> Config {
        Config::default()
    }
}

impl Config {
    /// Opens the database, or makes a new one.
    ///
    /// # Errors
    /// As [`VectrDB::new`].
    pub fn open(&self) -> Result<VectrDB, CoreError> {
        VectrDB::new(self)
    }
}
