pub(crate) mod outbound_stream;
pub(crate) mod send_queue;
