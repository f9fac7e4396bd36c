pub(crate) mod in_flight;
pub(crate) mod outbound;
pub(crate) mod outbound_stream;
pub(crate) mod send_queue;
