//! What the file holds and how it is read: the schema, its tables, connections and snapshots.

pub(crate) mod catalog;
pub(crate) mod conflict_log;
pub(crate) mod json;
pub(crate) mod pragmas;
pub(crate) mod reader_pool;
pub(crate) mod rows;
pub(crate) mod schema;
pub(crate) mod sites;
pub(crate) mod snapshot;
