use std::collections::VecDeque;

use tokio::sync::OwnedSemaphorePermit;

use crate::messages::message::Message;
use crate::messages::wire::frames::{WINDOW_BYTES, WINDOW_MESSAGES};

/// A received message that nobody has taken yet.
pub(crate) struct InboundMessage {
    pub(crate) number: u64,
    pub(crate) wants_answer: bool,
    pub(crate) message: Message,
    /// The permit of a large message, held until it is taken.
    pub(crate) _large_message: Option<OwnedSemaphorePermit>,
}

/// The messages waiting in a stream, limited by number and by bytes.
#[derive(Default)]
pub(crate) struct InboundQueue {
    waiting: VecDeque<InboundMessage>,
    bytes: usize,
}

impl InboundQueue {
    pub(crate) fn push(&mut self, message: InboundMessage) {
        self.bytes += message.message.weight();
        self.waiting.push_back(message);
    }

    pub(crate) fn pop(&mut self) -> Option<InboundMessage> {
        let message = self.waiting.pop_front()?;
        self.bytes -= message.message.weight();
        Some(message)
    }

    pub(crate) fn first(&self) -> Option<&InboundMessage> {
        self.waiting.front()
    }

    /// Whether the reader has to wait before it continues.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= WINDOW_BYTES || self.waiting.len() >= WINDOW_MESSAGES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}
