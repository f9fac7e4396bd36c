//! One session with a peer: who opens or answers it, the loop that drives it, its storage and its stream.

pub(crate) mod driver;
pub(crate) mod initiator;
pub(crate) mod monitor;
pub(crate) mod read_only;
pub(crate) mod responder;
pub(crate) mod shard_store;
pub(crate) mod wire;
