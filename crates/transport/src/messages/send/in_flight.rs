use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;
use vectr_delta::Frame;

use crate::TransportError;
use crate::messages::message::Message;
use crate::messages::send::outbound::{Outbound, ReplyTo};
use crate::messages::wire::assembly::{Assembly, Fault};
use crate::messages::wire::frames::{FrameKind, WINDOW_BYTES, WINDOW_MESSAGES, read_note};

/// The messages of a stream that were sent and are not settled.
pub(crate) struct InFlight {
    state: Mutex<State>,
    changed: Notify,
    remote: SocketAddr,
}

#[derive(Default)]
struct State {
    pending: BTreeMap<u64, Pending>,
    /// Messages that were sent in full.
    sent: u64,
    taken: u64,
    unacknowledged_messages: usize,
    /// The weight of the messages that were not acknowledged.
    unacknowledged_bytes: usize,
    failed: Option<TransportError>,
}

struct Pending {
    outbound: Outbound,
    weight: usize,
    taken: bool,
}

impl InFlight {
    pub(crate) fn new(remote: SocketAddr) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), remote }
    }

    pub(crate) const fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Waits until a message is settled, or the stream fails.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Sets the number of messages that were sent in full.
    pub(crate) fn note_sent(&self, count: u64) {
        self.state().sent = count;
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state().failed.is_some()
    }

    pub(crate) async fn wait_for_room(&self, weight: usize) -> Result<(), TransportError> {
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

    /// Adds a message. If the stream has already failed, fails the message and returns false.
    pub(crate) fn add(&self, number: u64, weight: usize, outbound: Outbound) -> bool {
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

    /// Whether this message is in flight, and nobody waits for any other; also if the stream has failed.
    pub(crate) fn is_alone(&self, number: u64) -> bool {
        let state = self.state();
        let given_up = |(other, pending): (&u64, &Pending)| *other == number || pending.outbound.is_closed();
        state.failed.is_some() || state.pending.contains_key(&number) && state.pending.iter().all(given_up)
    }

    /// Whether nothing is in flight. Forgets requests whose callers have given up.
    pub(crate) fn is_settled(&self) -> bool {
        let mut state = self.state();
        state.pending.retain(|_, pending| !(pending.taken && pending.outbound.is_closed()));
        state.failed.is_some() || state.pending.is_empty()
    }

    /// Fails everything in flight.
    pub(crate) fn fail(&self, error: &TransportError) {
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

    fn taken(&self, count: u64) -> Result<(), Fault> {
        let mut state = self.state();
        if count < state.taken
            || count > state.pending.last_key_value().map_or(state.sent, |(last, _)| last + 1)
        {
            return Err(format!("it acknowledged {count} messages of {}", state.sent).into());
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

    pub(crate) async fn receive(
        &self,
        frame: Frame,
        answer: &mut Assembly,
        stream: &str,
    ) -> Result<(), Fault> {
        match FrameKind::of(&frame) {
            Some(FrameKind::Taken) => {
                let (count, _) = read_note(frame.body).ok_or("an acknowledgement without a count")?;
                self.taken(count)
            }
            Some(FrameKind::Failed) => {
                let (number, reason) = read_note(frame.body).ok_or("a failure without a number")?;
                self.settle(number, Err(TransportError::Handler { remote: self.remote, reason }));
                Ok(())
            }
            Some(FrameKind::Answer) => {
                if let Some(whole) = answer.push(frame)? {
                    let assembled = whole.decode(stream).await?;
                    self.settle(assembled.number, Ok(assembled.message));
                }
                self.forget_unwanted(answer);
                Ok(())
            }
            _ => Err(format!("an unexpected frame of kind {}", frame.kind).into()),
        }
    }

    /// Keeps no part of an answer when there is no request that waits for one.
    pub(crate) fn forget_unwanted(&self, answer: &mut Assembly) {
        let waits = |pending: &Pending| pending.outbound.wants_answer() && !pending.outbound.is_closed();
        if !self.state().pending.values().any(waits) {
            answer.forget();
        }
    }

    /// Settles a request. An answer that nobody waits for is dropped.
    fn settle(&self, number: u64, outcome: Result<Message, TransportError>) {
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
        self.state.lock().expect("nothing panics while it holds the messages in flight")
    }
}

impl Pending {
    /// Acknowledges a message. Returns what still has to be waited for.
    fn acknowledge(self) -> Option<Self> {
        if self.outbound.wants_answer() {
            return Some(self);
        }
        self.outbound.settle_sender(Ok(()));
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::*;
    use crate::messages::pending_answer::PendingAnswer;
    use crate::messages::send::outbound::ByteCount;

    /// The stream may end between `wait_for_room` and `add`.
    #[tokio::test]
    async fn a_message_added_to_a_failed_stream_fails_with_its_error() {
        let remote = "127.0.0.1:1".parse().unwrap();
        let in_flight = InFlight::new(remote);
        let outbound = || {
            let (sender, outcome) = oneshot::channel();
            (Outbound::new(Message::default(), counted(), ReplyTo::Sender(sender)).0, outcome)
        };
        let (before, lost) = outbound();
        assert!(in_flight.add(0, 1, before));
        in_flight.fail(&TransportError::Lost { remote, reason: "gone".to_owned() });
        assert_eq!(lost.await.unwrap().unwrap_err().code(), "ERR_PEER_UNREACHABLE");
        let (after, refused) = outbound();
        assert!(!in_flight.add(1, 1, after));
        assert_eq!(refused.await.unwrap().unwrap_err().code(), "ERR_PEER_UNREACHABLE");
    }

    fn counted() -> ByteCount {
        ByteCount::new([&Arc::default(), &Arc::default()], 1)
    }

    /// 68 MiB of an answer were kept for each stream, though its request had been given up, or never made.
    #[tokio::test]
    async fn no_part_of_an_answer_is_kept_that_nobody_waits_for() {
        let in_flight = InFlight::new("127.0.0.1:1".parse().unwrap());
        let mut answer = Assembly::default();
        // An answer of 12 bytes, in three frames.
        let piece = |bytes: &'static [u8], more| Frame {
            kind: FrameKind::Answer as u8,
            more,
            body: Bytes::from_static(bytes),
        };
        let begin = piece(&[0, 0, 0, 0, 4, 0, 0, 0, 1], true);
        in_flight.receive(begin.clone(), &mut answer, "s").await.ok().unwrap();
        assert!(!answer.is_keeping(), "there is no request");
        in_flight.receive(piece(&[2, 3, 4], false), &mut answer, "s").await.ok().unwrap();
        assert_eq!(answer.under_way(), 0, "the next one may begin");

        let (pending, outcome) = PendingAnswer::new("r".to_owned());
        let request = ReplyTo::Requester(Arc::new(pending));
        let (outbound, _caller) = Outbound::new(Message::default(), counted(), request);
        assert!(in_flight.add(0, 1, outbound));
        in_flight.receive(begin, &mut answer, "s").await.ok().unwrap();
        assert!(answer.is_keeping());
        drop(outcome);
        in_flight.forget_unwanted(&mut answer);
        assert!(!answer.is_keeping(), "it was given up");
        in_flight.receive(piece(&[2, 3, 4], false), &mut answer, "s").await.ok().unwrap();
    }
}
