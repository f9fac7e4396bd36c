use std::sync::{Mutex, MutexGuard};

use tokio::sync::oneshot;

use crate::TransportError;
use crate::messages::message::Message;

type Outcome = Result<Message, TransportError>;

/// Where a request waits for its answer. The first answer counts, however it arrives.
pub(crate) struct PendingAnswer {
    /// The id of the request.
    pub(crate) id: String,
    sender: Mutex<Option<oneshot::Sender<Outcome>>>,
}

impl PendingAnswer {
    pub(crate) fn new(id: String) -> (Self, oneshot::Receiver<Outcome>) {
        let (sender, outcome) = oneshot::channel();
        (Self { id, sender: Mutex::new(Some(sender)) }, outcome)
    }

    /// Ends the request. Returns a message that comes too late.
    pub(crate) fn settle(&self, outcome: Outcome) -> Option<Message> {
        let undelivered = match self.sender().take() {
            Some(sender) => sender.send(outcome).err()?,
            None => outcome,
        };
        undelivered.ok()
    }

    /// Whether the caller has given up.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender().as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    fn sender(&self) -> MutexGuard<'_, Option<oneshot::Sender<Outcome>>> {
        self.sender.lock().expect("nothing panics while it holds a pending answer")
    }
}
