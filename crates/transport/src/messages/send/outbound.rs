use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;

use crate::TransportError;
use crate::messages::message::Message;
use crate::messages::pending_answer::PendingAnswer;

/// A message to be sent, and the caller waiting for its outcome.
pub(crate) struct Outbound {
    pub(crate) message: Message,
    pub(crate) reply: ReplyTo,
    /// Counts the message as outgoing.
    pub(crate) _counted: ByteCount,
}

/// What the caller is waiting for.
pub(crate) enum ReplyTo {
    /// The acknowledgement.
    Sender(oneshot::Sender<Result<(), TransportError>>),
    /// The answer.
    Requester(Arc<PendingAnswer>),
}

/// Counts bytes as outgoing until it is dropped.
pub(crate) struct ByteCount {
    total: Arc<AtomicUsize>,
    bytes: usize,
}

impl Outbound {
    pub(crate) fn fail(self, error: TransportError) {
        // Ignore callers that have given up.
        match self.reply {
            ReplyTo::Sender(sender) => drop(sender.send(Err(error))),
            ReplyTo::Requester(answer) => drop(answer.settle(Err(error))),
        }
    }

    pub(crate) const fn wants_answer(&self) -> bool {
        matches!(self.reply, ReplyTo::Requester(_))
    }

    /// Whether the caller has given up.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.reply {
            ReplyTo::Sender(sender) => sender.is_closed(),
            ReplyTo::Requester(answer) => answer.is_closed(),
        }
    }
}

impl ByteCount {
    pub(crate) fn new(total: &Arc<AtomicUsize>, bytes: usize) -> Self {
        total.fetch_add(bytes, Ordering::Relaxed);
        Self { total: Arc::clone(total), bytes }
    }
}

impl Drop for ByteCount {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
