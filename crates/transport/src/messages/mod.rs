//! Whole messages between agents: ordered within a stream id, acknowledged once the application has taken them, and
//! optionally answered.
//!
//! A sender has one stream for each address and stream id, which its send queue opens, keeps in order and closes when
//! idle. The receiver has an `InboundStream` for each of them. Its [`Inbox`] passes their messages to pending requests,
//! to the handler, or to pending receivers.

mod config;
mod message;
mod messenger;
mod pending_answer;
mod receive;
mod send;
mod stream_key;
mod wire;

pub(crate) use receive::inbox::Inbox;
pub(crate) use receive::serve::serve;
#[cfg(fuzzing)]
pub(crate) use wire::{assembly, frames};

pub use config::MessengerConfig;
pub use message::{Attachment, AttachmentKind, MAX_MESSAGE, Message, StreamForm, StreamName};
pub use messenger::{MessageStatistics, Messenger};
pub use receive::delivery::{AckHandle, Delivery};
pub use receive::pending_receive::PendingReceive;
