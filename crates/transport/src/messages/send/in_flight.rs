use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;
use vectr_delta::Frame;

use crate::TransportError;
use crate::messages::message::Message;
use crate::messages::send::outbound::{Outbound, ReplyTo};
use crate::messages::wire::assembly::Assembly;
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

    fn taken(&self, count: u64) -> Result<(), String> {
        let mut state = self.state();
        if count < state.taken
            || count > state.pending.last_key_value().map_or(state.sent, |(last, _)| last + 1)
        {
            return Err(format!("it acknowledged {count} messages of {}", state.sent));
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

    pub(crate) fn receive(&self, frame: Frame, answer: &mut Assembly, stream: &str) -> Result<(), String> {
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
                if let Some(assembled) = answer.push(frame, stream)? {
                    self.settle(assembled.number, Ok(assembled.message));
                }
                Ok(())
            }
            _ => Err(format!("an unexpected frame of kind {}", frame.kind)),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::oneshot;

    use super::*;
    use crate::messages::send::outbound::ByteCount;

    /// The stream may end between `wait_for_room` and `add`.
    #[tokio::test]
    async fn a_message_added_to_a_failed_stream_fails_with_its_error() {
        let remote = "127.0.0.1:1".parse().unwrap();
        let in_flight = InFlight::new(remote);
        let outbound = || {
            let (sender, outcome) = oneshot::channel();
            let _counted = ByteCount::new(&Arc::default(), 1);
            (Outbound { message: Message::default(), reply: ReplyTo::Sender(sender), _counted }, outcome)
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
