//! Several databases behind one address.

pub(crate) mod drain;
pub(crate) mod router;
pub(crate) mod sync_server;
