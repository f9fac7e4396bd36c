//! Whole messages between agents: in order within a stream id, acknowledged once the application has them, and with
//! answers.
//!
//! A sender has one QUIC stream for each address and stream id, which its [`courier`] opens, keeps in order and gives
//! back when it is idle. The receiver keeps a [`lane`] for each such stream, and its [`inbox`] hands out what the lanes
//! hold: to an answer that is waited for, to the handler, or to whoever receives.

mod answer;
mod assembly;
mod courier;
mod delivery;
mod inbox;
pub(crate) mod lane;
mod message;
mod messenger;
mod outgoing;
mod queue;
mod receiving;
mod wire;

pub(crate) use inbox::Inbox;

pub use delivery::{Delivery, Ticket};
pub use message::{Attachment, AttachmentKind, MAX_MESSAGE, Message, StreamForm, StreamName};
pub use messenger::{MessageStatistics, Messenger, MessengerConfig};
pub use receiving::Receiving;
