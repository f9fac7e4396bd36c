use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::TransportError;
use crate::connection::Connection;
use crate::limits::{UNREAD_ANSWERS, UNREAD_ANSWERS_MOST};
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
    /// The weight of the answers that were not written in full.
    answer_bytes: usize,
    /// Nothing is reported any more.
    discarded: bool,
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
        match outcome.filter(|_| wants_answer && !state.discarded) {
            Some(result) => {
                let outcome = Outcome { number, result };
                state.answer_bytes += outcome.weight();
                self.connection.answers.fetch_add(outcome.weight(), Ordering::AcqRel);
                state.outcomes.push_back(outcome);
            }
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

    /// Fails if the peer reads so few of its answers that there is no room for another one.
    pub(crate) fn check_answer(&self, answer: &Message) -> Result<(), TransportError> {
        let size = self.connection.answers.load(Ordering::Acquire) + answer.weight();
        if size <= UNREAD_ANSWERS_MOST {
            return Ok(());
        }
        let (what, limit) = ("the queue of answers that this peer has not read", UNREAD_ANSWERS_MOST);
        Err(TransportError::TooLarge { what, size, limit, hint: "answer with less, or later" })
    }

    /// Takes the first message for a handler, unless too many handlers are running, or too many answers wait.
    pub(crate) fn take_for_handler(&self) -> Option<(u64, bool, Message)> {
        let mut state = self.state();
        let answers = self.connection.answers.load(Ordering::Acquire);
        if state.in_handlers >= MAX_IN_HANDLERS || answers >= UNREAD_ANSWERS {
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

    /// Drops messages that were not taken. They are not delivered; their sender has been told, or will be. Returns
    /// whether other streams of the connection may go on.
    pub(crate) fn discard(&self) -> bool {
        let mut state = self.state();
        state.queue = InboundQueue::default();
        state.outcomes.clear();
        state.discarded = true;
        let weight = std::mem::take(&mut state.answer_bytes);
        drop(state);
        self.release(weight)
    }

    pub(crate) async fn wait_for_room(&self) -> Result<(), Fault> {
        let mut lent = None;
        while self.state().queue.is_full() {
            lent.get_or_insert_with(|| self.connection.lend_window());
            tokio::select! {
                () = self.room.notified() => {}
                _ = self.connection.raw.closed() => return Err("the connection has ended".into()),
            }
        }
        Ok(())
    }

    pub(crate) async fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Fault> {
        let kib = bytes.div_ceil(1024).min(64 * 1024) as u32;
        if let Ok(room) = Arc::clone(&self.connection.large_messages).try_acquire_many_owned(kib) {
            return Ok(room);
        }
        let _lent = self.connection.lend_window();
        tokio::select! {
            room = Arc::clone(&self.connection.large_messages).acquire_many_owned(kib) => {
                room.map_err(|_| "no room".into())
            }
            _ = self.connection.raw.closed() => Err("the connection has ended".into()),
        }
    }

    /// Waits until there may be something to report; false once the connection is over.
    pub(crate) async fn wait_for_work(&self) -> bool {
        tokio::select! {
            () = self.work.notified() => true,
            _ = self.connection.raw.closed() => false,
        }
    }

    /// Frees a handler's slot after its outcome, of this weight, was sent. Returns whether other streams of the connection
    /// may go on.
    pub(crate) fn outcome_written(&self, weight: usize) -> bool {
        let mut state = self.state();
        state.in_handlers -= 1;
        state.answer_bytes -= weight;
        drop(state);
        self.release(weight)
    }

    /// How long the sender may take to read a part of a report.
    pub(crate) fn patience(&self) -> Duration {
        self.connection.patience()
    }

    pub(crate) fn shares_connection(&self, with: &Self) -> bool {
        Arc::ptr_eq(&self.connection, &with.connection)
    }

    pub(crate) fn next_work(&self) -> (Option<u64>, Option<Outcome>, bool) {
        let mut state = self.state();
        let taken = (state.taken != state.reported_taken).then_some(state.taken);
        state.reported_taken = state.taken;
        let outcome = state.outcomes.pop_front();
        let done = state.ended && state.queue.is_empty() && state.in_handlers == 0;
        (taken, outcome, done)
    }

    /// Counts answers out. Returns whether this lets further messages be handed out.
    fn release(&self, weight: usize) -> bool {
        let before = self.connection.answers.fetch_sub(weight, Ordering::AcqRel);
        before >= UNREAD_ANSWERS && before - weight < UNREAD_ANSWERS
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds a stream of messages")
    }
}

impl Outcome {
    pub(crate) fn weight(&self) -> usize {
        self.result.as_ref().map_or(0, Message::weight)
    }

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
