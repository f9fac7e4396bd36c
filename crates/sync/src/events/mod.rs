//! Events of an engine and their listeners.

pub(crate) mod event;
pub(crate) mod hub;
