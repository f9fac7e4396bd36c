use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use vectr_delta::FrameDecoder;

use crate::TransportError;
use crate::connection::Connection;
use crate::connection::stream::{PeerStream, RecvHalf, SendHalf};
use crate::messages::message::{MAX_NAME, Message};
use crate::messages::receive::inbound_queue::{InboundMessage, InboundQueue};
use crate::messages::receive::inbox::{Inbox, StreamKey};
use crate::messages::wire::assembly::{Assembly, Fault};
use crate::messages::wire::frames::{FrameKind, frames, note};
use crate::protocol::STREAM_MALFORMED;

/// The receiving end of one stream of messages.
pub(crate) struct InboundStream {
    pub(crate) key: StreamKey,
    connection: Arc<Connection>,
    state: Mutex<State>,
    /// The reader waits here for room.
    room: Notify,
    /// The writer waits here for something to say.
    work: Notify,
}

#[derive(Default)]
pub(crate) struct State {
    queue: InboundQueue,
    /// Messages whose handler has not ended, or whose answer has not been written.
    in_handlers: usize,
    pumping: bool,
    pump_again: bool,
    /// Everything that was sent is here.
    ended: bool,
    taken: u64,
    reported_taken: u64,
    outcomes: VecDeque<Outcome>,
}

struct Outcome {
    number: u64,
    result: Result<Message, String>,
}

/// Reads one incoming stream of messages to its end, and says what came of them.
pub(crate) async fn serve(inbox: Arc<Inbox>, stream: PeerStream, address: String) {
    let connection = Arc::clone(stream.connection());
    let PeerStream { mut send, mut recv, .. } = stream;
    let served = serve_halves(&inbox, connection, &mut send, &mut recv, address).await;
    if served.is_err() {
        send.reset(STREAM_MALFORMED);
        recv.stop(STREAM_MALFORMED);
    }
}

async fn serve_halves(
    inbox: &Arc<Inbox>,
    connection: Arc<Connection>,
    send: &mut SendHalf,
    recv: &mut RecvHalf,
    address: String,
) -> Result<(), Fault> {
    let mut decoder = FrameDecoder::default();
    let name = read_opening(recv, &mut decoder).await?;
    let inbound = Arc::new(InboundStream {
        key: StreamKey { address, name },
        connection,
        state: Mutex::default(),
        room: Notify::new(),
        work: Notify::new(),
    });
    inbox.add(&inbound);
    let ended = {
        let mut writing = pin!(inbound.write(inbox, send));
        let read = tokio::select! {
            read = inbound.read(inbox, recv, &mut decoder) => read,
            () = &mut writing => Err("the sender does not listen".to_owned()),
        };
        if read.is_ok() {
            inbound.end();
            writing.await;
        }
        read
    };
    inbound.discard();
    inbox.remove(&inbound);
    ended
}

async fn read_opening(recv: &mut RecvHalf, decoder: &mut FrameDecoder) -> Result<String, Fault> {
    loop {
        if let Some(frame) = decoder.poll_frame().map_err(|error| error.to_string())? {
            let name = std::str::from_utf8(&frame.body).unwrap_or_default();
            let sound = FrameKind::of(&frame) == Some(FrameKind::Open) && !frame.more;
            if !sound || name.is_empty() || name.len() > MAX_NAME {
                return Err("a stream without a name".to_owned());
            }
            return Ok(name.to_owned());
        }
        match recv.read().await {
            Ok(Some(bytes)) => decoder.receive(&bytes),
            _ => return Err("a stream that ends before it begins".to_owned()),
        }
    }
}

impl InboundStream {
    /// The sender is told that the application has one more message.
    pub(crate) fn count_taken(&self) {
        self.state().taken += 1;
        self.work.notify_one();
    }

    /// A handler has ended.
    pub(crate) fn settle(&self, number: u64, wants_answer: bool, outcome: Option<Result<Message, String>>) {
        let mut state = self.state();
        match outcome.filter(|_| wants_answer) {
            Some(result) => state.outcomes.push_back(Outcome { number, result }),
            None => state.in_handlers -= 1,
        }
        drop(state);
        self.work.notify_one();
    }

    /// Whether the caller shall hand out messages: one does so at a time, which keeps their order.
    pub(crate) fn begin_pumping(&self) -> bool {
        let mut state = self.state();
        state.pump_again = state.pumping;
        !std::mem::replace(&mut state.pumping, true)
    }

    /// Whether nobody came in the meantime.
    pub(crate) fn end_pumping(&self) -> bool {
        let mut state = self.state();
        state.pumping = std::mem::take(&mut state.pump_again);
        !state.pumping
    }

    /// Looks at the first message, if there is one.
    pub(crate) fn first<T>(&self, look: impl FnOnce(&Message) -> T) -> Option<T> {
        self.state().queue.first().map(|arrived| look(&arrived.message))
    }

    /// The first message, for somebody who has it at once.
    pub(crate) fn take(&self) -> Option<Message> {
        let mut state = self.state();
        let arrived = state.queue.pop()?;
        state.taken += 1;
        drop(state);
        self.room.notify_one();
        self.work.notify_one();
        Some(arrived.message)
    }

    /// The first message, for a handler, unless enough of them are at work.
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

    /// Nothing follows what is here.
    fn end(&self) {
        self.state().ended = true;
        self.work.notify_one();
    }

    /// What nobody has taken is not delivered: its sender has been told so, or will be.
    fn discard(&self) {
        let mut state = self.state();
        state.queue = InboundQueue::default();
        state.outcomes.clear();
    }

    async fn read(
        self: &Arc<Self>,
        inbox: &Arc<Inbox>,
        recv: &mut RecvHalf,
        decoder: &mut FrameDecoder,
    ) -> Result<(), Fault> {
        let (mut assembly, mut expected, mut room) = (Assembly::default(), 0, None);
        loop {
            while let Some(frame) = decoder.poll_frame().map_err(|error| error.to_string())? {
                if FrameKind::of(&frame) != Some(FrameKind::Message) {
                    return Err(format!("a frame of kind {} from a sender", frame.kind));
                }
                let Some(assembled) = assembly.push(frame, &self.key.name)? else {
                    if room.is_none() && assembly.under_way() > LARGE {
                        room = Some(self.room_for(assembly.under_way()).await?);
                    }
                    continue;
                };
                if assembled.number != expected {
                    return Err(format!("message {} in the place of {expected}", assembled.number));
                }
                expected += 1;
                let (number, wants_answer) = (assembled.number, assembled.wants_answer);
                let message = assembled.message;
                self.state().queue.push(InboundMessage {
                    number,
                    wants_answer,
                    message,
                    _large_message: room.take(),
                });
                inbox.pump(self);
                self.wait_for_room().await?;
            }
            match recv.read().await {
                Ok(Some(bytes)) => decoder.receive(&bytes),
                Ok(None) if assembly.under_way() == 0 && !decoder.is_amid_frame() => return Ok(()),
                Ok(None) => return Err("a stream that ends within a message".to_owned()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    async fn wait_for_room(&self) -> Result<(), Fault> {
        while self.state().queue.is_full() {
            tokio::select! {
                () = self.room.notified() => {}
                _ = self.connection.raw.closed() => return Err("the connection is over".to_owned()),
            }
        }
        Ok(())
    }

    async fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Fault> {
        let kib = bytes.div_ceil(1024).min(64 * 1024) as u32;
        tokio::select! {
            room = Arc::clone(&self.connection.large_messages).acquire_many_owned(kib) => {
                room.map_err(|_| "no room".to_owned())
            }
            _ = self.connection.raw.closed() => Err("the connection is over".to_owned()),
        }
    }

    /// Says what was taken, and what came of it, until all is said.
    async fn write(self: &Arc<Self>, inbox: &Arc<Inbox>, send: &mut SendHalf) {
        loop {
            let (taken, outcome, done) = self.next_work();
            if taken.is_none() && outcome.is_none() {
                if done {
                    send.finish();
                    return;
                }
                tokio::select! {
                    () = self.work.notified() => continue,
                    _ = self.connection.raw.closed() => return,
                }
            }
            let settles = outcome.is_some();
            if write_report(send, taken, outcome).await.is_err() {
                return;
            }
            if settles {
                self.state().in_handlers -= 1;
                inbox.pump(self);
            }
        }
    }

    fn next_work(&self) -> (Option<u64>, Option<Outcome>, bool) {
        let mut state = self.state();
        let taken = (state.taken != state.reported_taken).then_some(state.taken);
        state.reported_taken = state.taken;
        let outcome = state.outcomes.pop_front();
        let done = state.ended && state.queue.is_empty() && state.in_handlers == 0;
        (taken, outcome, done)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds a lane")
    }
}

async fn write_report(
    send: &mut SendHalf,
    taken: Option<u64>,
    outcome: Option<Outcome>,
) -> Result<(), TransportError> {
    // Both mostly fit one packet.
    let mut bytes = taken.map_or_else(Bytes::new, |count| note(FrameKind::Taken, count, ""));
    for frame in outcome.into_iter().flat_map(Outcome::into_frames) {
        if bytes.is_empty() {
            send.write(frame).await?;
        } else {
            send.write([bytes, frame].concat().into()).await?;
            bytes = Bytes::new();
        }
    }
    if bytes.is_empty() { Ok(()) } else { send.write(bytes).await }
}

impl Outcome {
    fn into_frames(self) -> impl Iterator<Item = Bytes> {
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

/// Messages of one stream that handlers may be at work on.
const MAX_IN_HANDLERS: usize = 64;
/// A message that is larger needs room among the connection's large ones.
const LARGE: usize = 1 << 20;
