//! Health and metrics of a server.

pub(crate) mod exposition;
pub(crate) mod listener;
pub(crate) mod metrics;
pub(crate) mod server;
