use std::sync::{Mutex, MutexGuard};

use tokio::sync::oneshot;

use crate::TransportError;
use crate::messages::message::Message;

type Outcome = Result<Message, TransportError>;

/// The place that a request keeps for its answer, whichever way it comes. The first one counts.
pub(crate) struct Answer {
    /// The id of the request.
    pub(crate) id: String,
    place: Mutex<Option<oneshot::Sender<Outcome>>>,
}

impl Answer {
    pub(crate) fn new(id: String) -> (Self, oneshot::Receiver<Outcome>) {
        let (place, outcome) = oneshot::channel();
        (Self { id, place: Mutex::new(Some(place)) }, outcome)
    }

    /// Ends the request; gives back a message that comes too late.
    pub(crate) fn settle(&self, outcome: Outcome) -> Option<Message> {
        let unkept = match self.place().take() {
            Some(place) => place.send(outcome).err()?,
            None => outcome,
        };
        unkept.ok()
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.place().as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    fn place(&self) -> MutexGuard<'_, Option<oneshot::Sender<Outcome>>> {
        self.place.lock().expect("nothing panics while it holds an answer's place")
    }
}
