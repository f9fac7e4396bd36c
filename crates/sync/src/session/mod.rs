//! One session with a peer: its initiator and responder, the driver loop, storage and stream.

pub(crate) mod answers;
pub(crate) mod driver;
pub(crate) mod hello_memory;
pub(crate) mod initiator;
pub(crate) mod monitor;
pub(crate) mod new_shard;
pub(crate) mod patience;
pub(crate) mod read_only;
pub(crate) mod repair_memory;
pub(crate) mod responder;
pub(crate) mod shard_store;
pub(crate) mod wire;
