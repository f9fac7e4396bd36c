//! Messages between agents.

pub(crate) mod message;
pub(crate) mod native_transport;
