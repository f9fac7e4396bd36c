use std::collections::VecDeque;

use tokio::sync::OwnedSemaphorePermit;

use crate::messages::message::Message;

/// A message that is here, and that nobody has yet.
pub(crate) struct Arrived {
    pub(crate) number: u64,
    pub(crate) wants_answer: bool,
    pub(crate) message: Message,
    /// Room for a large message, held until somebody has it.
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

/// What waits in a lane, bounded by number and by bytes.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Arrived>,
    bytes: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, arrived: Arrived) {
        self.bytes += arrived.message.weight();
        self.waiting.push_back(arrived);
    }

    pub(crate) fn pop(&mut self) -> Option<Arrived> {
        let arrived = self.waiting.pop_front()?;
        self.bytes -= arrived.message.weight();
        Some(arrived)
    }

    pub(crate) fn first(&self) -> Option<&Arrived> {
        self.waiting.front()
    }

    /// Whether the reader has to wait before it reads on.
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

/// How much of a stream may be sent and not be taken. A sender keeps to it, so that a stalled stream fills no window of
/// the connection, which all streams share; a receiver reads no further either.
pub(crate) const WINDOW_BYTES: usize = 4 << 20;
pub(crate) const WINDOW_MESSAGES: usize = 4096;
