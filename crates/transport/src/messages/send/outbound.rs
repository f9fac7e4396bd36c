use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;

use crate::TransportError;
use crate::messages::message::Message;
use crate::messages::pending_answer::PendingAnswer;

/// A message on its way, and who waits to hear of it.
pub(crate) struct Outbound {
    pub(crate) message: Message,
    pub(crate) reply: ReplyTo,
    /// Counts the message among those on their way.
    pub(crate) _counted: ByteCount,
}

/// Who waits for what.
pub(crate) enum ReplyTo {
    /// For the acknowledgement.
    Sender(oneshot::Sender<Result<(), TransportError>>),
    /// For the answer.
    Requester(Arc<PendingAnswer>),
}

/// Bytes on their way, for as long as this lives.
pub(crate) struct ByteCount {
    total: Arc<AtomicUsize>,
    bytes: usize,
}

impl Outbound {
    pub(crate) fn fail(self, error: TransportError) {
        // Who no longer waits need not know.
        match self.reply {
            ReplyTo::Sender(sender) => drop(sender.send(Err(error))),
            ReplyTo::Requester(answer) => drop(answer.settle(Err(error))),
        }
    }

    pub(crate) const fn wants_answer(&self) -> bool {
        matches!(self.reply, ReplyTo::Requester(_))
    }

    /// Whether nobody waits any more.
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
