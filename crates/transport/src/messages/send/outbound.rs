use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, oneshot};

use crate::TransportError;
use crate::messages::message::Message;
use crate::messages::pending_answer::PendingAnswer;

/// A message to be sent, and the caller waiting for its outcome.
pub(crate) struct Outbound {
    pub(crate) entry: Entry,
    pub(crate) reply: ReplyTo,
}

/// Counts a message as outgoing until it is dropped, or its caller gives up.
pub(crate) struct Entry(Arc<Queued>);

/// What the caller is waiting for.
pub(crate) enum ReplyTo {
    /// The acknowledgement.
    Sender(oneshot::Sender<Result<(), TransportError>>),
    /// The answer.
    Requester(Arc<PendingAnswer>),
}

/// A message in a queue. Its memory is released when its caller gives up, wherever the queue stands, unless a part of it
/// was sent by then.
pub(crate) struct Queued {
    state: Mutex<QueuedState>,
    gave_up: Notify,
}

struct QueuedState {
    /// `None` once it is being sent, or was withdrawn.
    message: Option<Message>,
    counted: Option<ByteCount>,
    sending: bool,
    gave_up: bool,
}

/// Held by the caller of a message. Dropping it gives the message up.
pub(crate) struct Caller(Arc<Queued>);

/// Counts bytes as outgoing, in all and to one peer, until it is dropped.
pub(crate) struct ByteCount {
    totals: [Arc<AtomicUsize>; 2],
    bytes: usize,
}

impl Outbound {
    pub(crate) fn new(message: Message, counted: ByteCount, reply: ReplyTo) -> (Self, Caller) {
        let state =
            QueuedState { message: Some(message), counted: Some(counted), sending: false, gave_up: false };
        let queued = Arc::new(Queued { state: Mutex::new(state), gave_up: Notify::new() });
        (Self { entry: Entry(Arc::clone(&queued)), reply }, Caller(queued))
    }

    pub(crate) fn fail(self, error: TransportError) {
        // Ignore callers that have given up.
        match &self.reply {
            ReplyTo::Requester(answer) => drop(answer.settle(Err(error))),
            ReplyTo::Sender(_) => self.settle_sender(Err(error)),
        }
    }

    /// Reports to a caller that waits for no answer.
    pub(crate) fn settle_sender(self, outcome: Result<(), TransportError>) {
        if let ReplyTo::Sender(sender) = self.reply {
            self.entry.0.release();
            drop(sender.send(outcome));
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

impl Queued {
    /// Takes the message to send it; `None` if it was withdrawn.
    pub(crate) fn begin_sending(&self) -> Option<Message> {
        let mut state = self.state();
        let message = state.message.take()?;
        state.sending = true;
        Some(message)
    }

    /// Nothing of the message is left to send.
    pub(crate) fn end_sending(&self) {
        let mut state = self.state();
        state.sending = false;
        if state.gave_up {
            state.counted = None;
        }
    }

    /// Stops counting the message: its outcome is known.
    fn release(&self) {
        self.state().counted = None;
    }

    /// Resolves when the caller has given up.
    pub(crate) async fn given_up(&self) {
        while !self.state().gave_up {
            self.gave_up.notified().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, QueuedState> {
        self.state.lock().expect("nothing panics while it holds a queued message")
    }
}

impl Entry {
    pub(crate) fn queued(&self) -> Arc<Queued> {
        Arc::clone(&self.0)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.gave_up = true;
        state.message = None;
        if !state.sending {
            state.counted = None;
        }
        drop(state);
        self.0.gave_up.notify_one();
    }
}

impl ByteCount {
    pub(crate) fn new(totals: [&Arc<AtomicUsize>; 2], bytes: usize) -> Self {
        for total in totals {
            total.fetch_add(bytes, Ordering::Relaxed);
        }
        Self { totals: totals.map(Arc::clone), bytes }
    }
}

impl Drop for ByteCount {
    fn drop(&mut self) {
        for total in &self.totals {
            total.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}
