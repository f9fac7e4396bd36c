//! Whole messages between agents: in order within a stream id, acknowledged once the application has them, and with
//! answers.
//!
//! A sender has one QUIC stream for each address and stream id, which its [queue](send::send_queue) opens, keeps in order and gives
//! back when it is idle. The receiver keeps a [`inbound_stream`] for each such stream, and its [`inbox`](receive::inbox) hands out what the lanes
//! hold: to an answer that is waited for, to the handler, or to whoever receives.

mod message;
mod messenger;
mod pending_answer;
mod receive;
mod send;
mod stream_key;
mod wire;

pub(crate) use receive::inbox::Inbox;
pub(crate) use receive::serve::serve;

pub use message::{Attachment, AttachmentKind, MAX_MESSAGE, Message, StreamForm, StreamName};
pub use messenger::{MessageStatistics, Messenger, MessengerConfig};
pub use receive::delivery::{AckHandle, Delivery};
pub use receive::pending_receive::PendingReceive;
