use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::connection::Connection;
use crate::messages::message::Message;
use crate::messages::receive::inbound_queue::{InboundMessage, InboundQueue};
use crate::messages::stream_key::StreamKey;
use crate::messages::wire::assembly::Fault;
use crate::messages::wire::frames::{FrameKind, frames, note};

/// The receiving end of one stream of messages.
pub(crate) struct InboundStream {
    pub(crate) key: StreamKey,
    connection: Arc<Connection>,
    state: Mutex<State>,
    /// Wakes the reader when there is room.
    room: Notify,
    /// Wakes the writer when there is something to report.
    work: Notify,
}

#[derive(Default)]
struct State {
    queue: InboundQueue,
    /// Messages whose handler is running, or whose answer has not been written.
    in_handlers: usize,
    pumping: bool,
    pump_again: bool,
    /// The sender has finished the stream.
    ended: bool,
    taken: u64,
    reported_taken: u64,
    outcomes: VecDeque<Outcome>,
}

pub(crate) struct Outcome {
    number: u64,
    result: Result<Message, String>,
}

impl InboundStream {
    pub(crate) fn new(key: StreamKey, connection: Arc<Connection>) -> Self {
        Self { key, connection, state: Mutex::default(), room: Notify::new(), work: Notify::new() }
    }

    /// Appends a message to the queue.
    pub(crate) fn push(&self, message: InboundMessage) {
        self.state().queue.push(message);
    }

    /// Counts a message as taken, which the sender will be told.
    pub(crate) fn count_taken(&self) {
        self.state().taken += 1;
        self.work.notify_one();
    }

    /// Ends the work of a handler.
    pub(crate) fn settle(&self, number: u64, wants_answer: bool, outcome: Option<Result<Message, String>>) {
        let mut state = self.state();
        match outcome.filter(|_| wants_answer) {
            Some(result) => state.outcomes.push_back(Outcome { number, result }),
            None => state.in_handlers -= 1,
        }
        drop(state);
        self.work.notify_one();
    }

    /// Whether the caller has to hand out messages. Only one does so at a time, which keeps them in order.
    pub(crate) fn begin_pumping(&self) -> bool {
        let mut state = self.state();
        state.pump_again = state.pumping;
        !std::mem::replace(&mut state.pumping, true)
    }

    /// Whether the caller may stop: nobody asked for another round in the meantime.
    pub(crate) fn end_pumping(&self) -> bool {
        let mut state = self.state();
        state.pumping = std::mem::take(&mut state.pump_again);
        !state.pumping
    }

    /// Inspects the first message, if there is one.
    pub(crate) fn first<T>(&self, look: impl FnOnce(&Message) -> T) -> Option<T> {
        self.state().queue.first().map(|arrived| look(&arrived.message))
    }

    /// Takes the first message and counts it as taken.
    pub(crate) fn take(&self) -> Option<Message> {
        let mut state = self.state();
        let arrived = state.queue.pop()?;
        state.taken += 1;
        drop(state);
        self.room.notify_one();
        self.work.notify_one();
        Some(arrived.message)
    }

    /// Takes the first message for a handler, unless too many handlers are running.
    pub(crate) fn take_for_handler(&self) -> Option<(u64, bool, Message)> {
        let mut state = self.state();
        if state.in_handlers >= MAX_IN_HANDLERS {
            return None;
        }
        let arrived = state.queue.pop()?;
        state.in_handlers += 1;
        drop(state);
        self.room.notify_one();
        Some((arrived.number, arrived.wants_answer, arrived.message))
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.state().queue.bytes()
    }

    /// Notes that the sender has finished.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.work.notify_one();
    }

    /// Drops messages that were not taken. They are not delivered; their sender has been told, or will be.
    pub(crate) fn discard(&self) {
        let mut state = self.state();
        state.queue = InboundQueue::default();
        state.outcomes.clear();
    }

    pub(crate) async fn wait_for_room(&self) -> Result<(), Fault> {
        while self.state().queue.is_full() {
            tokio::select! {
                () = self.room.notified() => {}
                _ = self.connection.raw.closed() => return Err("the connection has ended".to_owned()),
            }
        }
        Ok(())
    }

    pub(crate) async fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Fault> {
        let kib = bytes.div_ceil(1024).min(64 * 1024) as u32;
        tokio::select! {
            room = Arc::clone(&self.connection.large_messages).acquire_many_owned(kib) => {
                room.map_err(|_| "no room".to_owned())
            }
            _ = self.connection.raw.closed() => Err("the connection has ended".to_owned()),
        }
    }

    /// Waits until there may be something to report; false once the connection is over.
    pub(crate) async fn wait_for_work(&self) -> bool {
        tokio::select! {
            () = self.work.notified() => true,
            _ = self.connection.raw.closed() => false,
        }
    }

    /// Frees a handler's slot after its outcome was sent.
    pub(crate) fn outcome_written(&self) {
        self.state().in_handlers -= 1;
    }

    pub(crate) fn next_work(&self) -> (Option<u64>, Option<Outcome>, bool) {
        let mut state = self.state();
        let taken = (state.taken != state.reported_taken).then_some(state.taken);
        state.reported_taken = state.taken;
        let outcome = state.outcomes.pop_front();
        let done = state.ended && state.queue.is_empty() && state.in_handlers == 0;
        (taken, outcome, done)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds a stream of messages")
    }
}

impl Outcome {
    pub(crate) fn into_frames(self) -> impl Iterator<Item = Bytes> {
        let made = self.result.and_then(|message| {
            frames(FrameKind::Answer, self.number, false, message).map_err(|error| error.to_string())
        });
        let (answer, failure) = match made {
            Ok(frames) => (Some(frames), None),
            Err(reason) => (None, Some(note(FrameKind::Failed, self.number, &reason))),
        };
        answer.into_iter().flatten().chain(failure)
    }
}

/// The number of messages of one stream that handlers may work on at a time.
const MAX_IN_HANDLERS: usize = 64;
