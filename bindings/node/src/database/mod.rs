//! One database: its calls, and the records in which rows cross.

pub(crate) mod batch;
pub(crate) mod change_feed;
pub(crate) mod changelog;
pub(crate) mod conflict;
pub(crate) mod hits;
mod ids;
pub(crate) mod iteration;
pub(crate) mod native_database;
pub(crate) mod query;
pub(crate) mod storage;
