use std::path::Path;

use rusqlite::Connection;

use crate::CoreError;
use crate::storage::pragmas::open_reader;
use crate::storage::sites::SiteNumbers;

/// A connection for reading, and the sites that it has met.
pub(crate) struct Reader {
    pub(crate) connection: Connection,
    pub(crate) sites: SiteNumbers,
}

impl Reader {
    pub(crate) fn open(path: &Path) -> Result<Self, CoreError> {
        Ok(Self { connection: open_reader(path)?, sites: SiteNumbers::default() })
    }
}
