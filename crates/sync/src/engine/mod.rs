//! The engine of one database: syncs with retries, auto-syncs, status and totals.

pub(crate) mod auto_sync;
pub(crate) mod exchange;
pub(crate) mod job;
pub(crate) mod retry;
pub(crate) mod status;
pub(crate) mod sync_engine;
pub(crate) mod totals;
