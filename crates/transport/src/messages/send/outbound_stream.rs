use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use vectr_delta::{Frame, FrameDecoder};

use crate::TransportError;
use crate::connection::stream::{PeerStream, RecvHalf, SendHalf};
use crate::messages::receive::inbound_queue::{WINDOW_BYTES, WINDOW_MESSAGES};
use crate::messages::send::send_queue::{Outbound, ReplyTo};
use crate::messages::wire::assembly::Assembly;
use crate::messages::wire::frames::{FrameKind, frames, opening, read_note};
use crate::protocol::{STREAM_KIND_UNKNOWN, STREAM_MALFORMED};

/// The sending end of one stream of messages.
pub(crate) struct OutboundStream {
    send: SendHalf,
    in_flight: Arc<InFlight>,
    next: u64,
}

/// What was sent on a stream, until it is settled.
struct InFlight {
    state: Mutex<State>,
    changed: Notify,
    remote: std::net::SocketAddr,
}

#[derive(Default)]
struct State {
    pending: BTreeMap<u64, Pending>,
    /// Messages that were sent whole.
    sent: u64,
    taken: u64,
    unacknowledged_messages: usize,
    /// The weight of what was not taken.
    unacknowledged_bytes: usize,
    failed: Option<TransportError>,
}

struct Pending {
    outbound: Outbound,
    weight: usize,
    taken: bool,
}

impl OutboundStream {
    /// Takes a new stream into use.
    pub(crate) async fn open(stream: PeerStream, name: &str) -> Result<Self, TransportError> {
        let PeerStream { mut send, recv, remote, .. } = stream;
        send.write(opening(name)).await?;
        let in_flight = Arc::new(InFlight { state: Mutex::default(), changed: Notify::new(), remote });
        tokio::spawn(read_replies(Arc::clone(&in_flight), recv, name.to_owned()));
        Ok(Self { send, in_flight, next: 0 })
    }

    /// Sends a message whole, as soon as the receiver has room. Whatever fails ends the letter too.
    pub(crate) async fn send(&mut self, mut outbound: Outbound) {
        let message = std::mem::take(&mut outbound.message);
        let (weight, wants_answer) = (message.weight(), outbound.wants_answer());
        let number = self.next;
        let frames = match frames(FrameKind::Message, number, wants_answer, message) {
            Ok(frames) => frames,
            Err(error) => return outbound.fail(error),
        };
        if let Err(error) = self.in_flight.wait_for_room(weight).await {
            return outbound.fail(error);
        }
        if !self.in_flight.add(number, weight, outbound) {
            return;
        }
        self.next += 1;
        for frame in frames {
            if let Err(error) = self.send.write(frame).await {
                return self.in_flight.fail(&undelivered(error));
            }
        }
        self.in_flight.state().sent = self.next;
    }

    /// Waits until nothing has been under way for a while, or for as long as it takes to be asked for the stream.
    pub(crate) async fn wait_idle(&self, idle_after: Duration, stream_wanted: &mut watch::Receiver<u64>) {
        loop {
            if self.in_flight.is_settled() {
                tokio::select! {
                    () = tokio::time::sleep(idle_after) => {}
                    _ = stream_wanted.changed() => {}
                }
                if self.in_flight.is_settled() {
                    return;
                }
            }
            // What is no longer waited for tells nobody.
            let _ = tokio::time::timeout(idle_after, self.in_flight.changed.notified()).await;
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.in_flight.state().failed.is_some()
    }

    /// Gives the stream back. All its messages are acknowledged.
    pub(crate) fn finish(mut self) {
        self.send.finish();
    }
}

impl InFlight {
    async fn wait_for_room(&self, weight: usize) -> Result<(), TransportError> {
        while !self.has_room(weight)? {
            self.changed.notified().await;
        }
        Ok(())
    }

    fn has_room(&self, weight: usize) -> Result<bool, TransportError> {
        let state = self.state();
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        let fits = state.unacknowledged_messages < WINDOW_MESSAGES
            && state.unacknowledged_bytes + weight <= WINDOW_BYTES;
        Ok(fits || state.unacknowledged_messages == 0)
    }

    /// Whether the stream still stands; the letter has failed where it does not.
    fn add(&self, number: u64, weight: usize, outbound: Outbound) -> bool {
        let mut state = self.state();
        if let Some(error) = &state.failed {
            outbound.fail(error.clone());
            return false;
        }
        state.unacknowledged_messages += 1;
        state.unacknowledged_bytes += weight;
        state.pending.insert(number, Pending { outbound, weight, taken: false });
        true
    }

    /// Whether nothing is under way. Requests that nobody waits for any more are forgotten.
    fn is_settled(&self) -> bool {
        let mut state = self.state();
        state.pending.retain(|_, pending| !(pending.taken && pending.outbound.is_closed()));
        state.failed.is_some() || state.pending.is_empty()
    }

    /// Ends everything that is under way.
    fn fail(&self, error: &TransportError) {
        let mut state = self.state();
        if state.failed.is_some() {
            return;
        }
        state.failed = Some(error.clone());
        let sent = state.sent;
        for (number, pending) in std::mem::take(&mut state.pending) {
            let cause = Box::new(error.clone());
            let whole = number < sent || pending.taken;
            pending.outbound.fail(if whole { TransportError::Unacknowledged { cause } } else { *cause });
        }
        drop(state);
        self.changed.notify_one();
    }

    fn taken(&self, count: u64) -> Result<(), String> {
        let mut state = self.state();
        if count < state.taken
            || count > state.pending.last_key_value().map_or(state.sent, |(last, _)| last + 1)
        {
            return Err(format!("it took {count} messages of {}", state.sent));
        }
        let numbers = state.taken..count;
        state.taken = count;
        for number in numbers {
            let Some(mut pending) = state.pending.remove(&number) else { continue };
            state.unacknowledged_messages -= 1;
            state.unacknowledged_bytes -= pending.weight;
            pending.taken = true;
            if let Some(pending) = pending.acknowledge() {
                state.pending.insert(number, pending);
            }
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    fn frame(&self, frame: Frame, answer: &mut Assembly, stream: &str) -> Result<(), String> {
        match FrameKind::of(&frame) {
            Some(FrameKind::Taken) => {
                let (count, _) = read_note(frame.body).ok_or("a count without digits")?;
                self.taken(count)
            }
            Some(FrameKind::Failed) => {
                let (number, reason) = read_note(frame.body).ok_or("a failure without a number")?;
                self.settle(number, Err(TransportError::Handler { remote: self.remote, reason }));
                Ok(())
            }
            Some(FrameKind::Answer) => {
                if let Some(assembled) = answer.push(frame, stream)? {
                    self.settle(assembled.number, Ok(assembled.message));
                }
                Ok(())
            }
            _ => Err(format!("a frame of kind {} from a receiver", frame.kind)),
        }
    }

    /// An answer that nobody waits for is dropped.
    fn settle(&self, number: u64, outcome: Result<crate::Message, TransportError>) {
        let state = self.state();
        if let Some(ReplyTo::Requester(answer)) =
            state.pending.get(&number).map(|pending| &pending.outbound.reply)
        {
            let _ = answer.settle(outcome);
        }
        drop(state);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the ledger")
    }
}

impl Pending {
    /// What is left to wait for.
    fn acknowledge(self) -> Option<Self> {
        let Self { outbound, weight, taken } = self;
        match outbound.reply {
            ReplyTo::Sender(sender) => {
                let _ = sender.send(Ok(()));
                None
            }
            ReplyTo::Requester(_) => Some(Self { outbound, weight, taken }),
        }
    }
}

/// Hears what the receiver says, until the stream ends.
async fn read_replies(in_flight: Arc<InFlight>, mut recv: RecvHalf, stream: String) {
    let (mut decoder, mut answer) = (FrameDecoder::default(), Assembly::default());
    let end = loop {
        let frame = match decoder.poll_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => match recv.read().await {
                Ok(Some(bytes)) => {
                    decoder.receive(&bytes);
                    continue;
                }
                Ok(None) => {
                    let (remote, reason) = (in_flight.remote, "the peer ended the stream".to_owned());
                    break TransportError::Lost { remote, reason };
                }
                Err(error) => break undelivered(error),
            },
            Err(error) => break malformed(&in_flight, &mut recv, error.to_string()),
        };
        if let Err(reason) = in_flight.frame(frame, &mut answer, &stream) {
            break malformed(&in_flight, &mut recv, reason);
        }
    };
    in_flight.fail(&end);
}

fn malformed(in_flight: &InFlight, recv: &mut RecvHalf, reason: String) -> TransportError {
    recv.stop(STREAM_MALFORMED);
    TransportError::Protocol { remote: in_flight.remote, reason }
}

/// Silence is for the caller's limit to judge: a connection that died of it is lost.
fn undelivered(error: TransportError) -> TransportError {
    match error {
        TransportError::TimedOut { remote, waited } => {
            TransportError::Lost { remote, reason: format!("it did not answer for {waited:?}") }
        }
        TransportError::BrokenOff { remote, stream_code }
            if stream_code == u64::from(STREAM_KIND_UNKNOWN) =>
        {
            TransportError::Lost { remote, reason: "it takes no messages".to_owned() }
        }
        TransportError::BrokenOff { remote, stream_code } if stream_code == u64::from(STREAM_MALFORMED) => {
            TransportError::Protocol { remote, reason: "it could not read the messages".to_owned() }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::messages::send::send_queue::ByteCount;

    /// The stream may end between the look for room and the entry.
    #[tokio::test]
    async fn a_letter_that_meets_a_stream_which_has_just_failed_hears_why() {
        let remote = "127.0.0.1:1".parse().unwrap();
        let in_flight = InFlight { state: Mutex::default(), changed: Notify::new(), remote };
        let outbound = || {
            let (sender, outcome) = oneshot::channel();
            let _counted = ByteCount::new(&Arc::default(), 1);
            (
                Outbound { message: crate::Message::default(), reply: ReplyTo::Sender(sender), _counted },
                outcome,
            )
        };
        let (before, lost) = outbound();
        assert!(in_flight.add(0, 1, before));
        in_flight.fail(&TransportError::Lost { remote, reason: "gone".to_owned() });
        assert_eq!(lost.await.unwrap().unwrap_err().code(), "ERR_PEER_UNREACHABLE");
        let (after, refused) = outbound();
        assert!(!in_flight.add(1, 1, after));
        assert_eq!(refused.await.unwrap().unwrap_err().code(), "ERR_PEER_UNREACHABLE");
    }
}
