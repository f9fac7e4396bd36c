//! The sync engine and the coordinator.

pub(crate) mod coordinator;
pub(crate) mod events;
pub(crate) mod native_sync;
pub(crate) mod options;
pub(crate) mod outcome;
pub(crate) mod session;
