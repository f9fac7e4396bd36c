//! The tables and how they are read: the schema, rows, connections and snapshots.

pub(crate) mod catalog;
pub(crate) mod conflict_log;
pub(crate) mod held_readers;
pub(crate) mod json;
pub(crate) mod peer;
pub(crate) mod pragmas;
pub(crate) mod reader;
pub(crate) mod reader_pool;
pub(crate) mod rows;
pub(crate) mod schema;
pub(crate) mod sites;
pub(crate) mod snapshot;
pub(crate) mod version_cache;
pub(crate) mod versions;
