//! The sync engine and the coordinator.

pub(crate) mod conflicts;
pub(crate) mod coordinator;
pub(crate) mod events;
pub(crate) mod exchange;
pub(crate) mod native_sync;
pub(crate) mod options;
pub(crate) mod outcome;
pub(crate) mod owned;
pub(crate) mod questions;
pub(crate) mod session;
