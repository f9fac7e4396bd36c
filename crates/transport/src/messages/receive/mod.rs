pub(crate) mod delivery;
pub(crate) mod inbound_queue;
pub(crate) mod inbound_stream;
pub(crate) mod inbox;
pub(crate) mod pending_receive;
pub(crate) mod serve;
