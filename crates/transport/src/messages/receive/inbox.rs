use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{oneshot, watch};

use crate::messages::message::Message;
use crate::messages::pending_answer::PendingAnswer;
use crate::messages::receive::delivery::{AckHandle, Delivery, DeliverySource};
use crate::messages::receive::inbound_stream::InboundStream;
use crate::messages::stream_key::StreamKey;

/// Matches received messages with the handler, the pending receivers and the pending requests.
pub(crate) struct Inbox {
    handler: Box<dyn Fn(Delivery) + Send + Sync>,
    state: Mutex<InboxState>,
    /// The number of calls that may be running the handler.
    dispatching: watch::Sender<usize>,
}

#[derive(Default)]
struct InboxState {
    slots: HashMap<StreamKey, Slot>,
    /// The number of subscriptions to each stream.
    subscriptions: HashMap<String, usize>,
    /// The number of subscriptions to all streams.
    all_streams: usize,
    closed: bool,
}

#[derive(Default)]
struct Slot {
    streams: Vec<Arc<InboundStream>>,
    /// Pending receivers, in the order of their calls.
    receivers: VecDeque<oneshot::Sender<Message>>,
    /// Requests that a separate message may answer.
    requests: VecDeque<Arc<PendingAnswer>>,
    /// Messages that were taken and returned.
    returned: VecDeque<Message>,
}

impl Inbox {
    pub(crate) fn new(handler: impl Fn(Delivery) + Send + Sync + 'static) -> Self {
        Self { handler: Box::new(handler), state: Mutex::default(), dispatching: watch::Sender::new(0) }
    }

    pub(crate) fn add(&self, stream: &Arc<InboundStream>) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        state.slots.entry(stream.key.clone()).or_default().streams.push(Arc::clone(stream));
    }

    pub(crate) fn remove(&self, stream: &Arc<InboundStream>) {
        let mut state = self.state();
        if let Some(slot) = state.slots.get_mut(&stream.key) {
            slot.streams.retain(|other| !Arc::ptr_eq(other, stream));
        }
        state.remove_if_empty(&stream.key);
    }

    /// Passes messages of this stream, or of all streams if none is named, to the handler from now on, starting with
    /// those that wait.
    pub(crate) fn subscribe(self: &Arc<Self>, stream: Option<&str>) {
        let _dispatching = DispatchGuard::new(&self.dispatching);
        let mut state = self.state();
        match stream {
            Some(stream) => *state.subscriptions.entry(stream.to_owned()).or_default() += 1,
            None => state.all_streams += 1,
        }
        let streams: Vec<_> = state.slots.values().flat_map(|slot| slot.streams.clone()).collect();
        let returned = state.take_returned();
        drop(state);
        for (key, message) in returned {
            let ack = AckHandle::new(None, self.source(), 0, false);
            (self.handler)(Delivery { address: key.address, message, ack });
        }
        for stream in streams {
            self.pump(&stream);
        }
    }

    /// Reverts one [`Inbox::subscribe`].
    pub(crate) fn unsubscribe(&self, stream: Option<&str>) {
        let mut state = self.state();
        let Some(stream) = stream else {
            state.all_streams = state.all_streams.saturating_sub(1);
            return;
        };
        if let Some(count) = state.subscriptions.get_mut(stream) {
            *count -= 1;
            if *count == 0 {
                state.subscriptions.remove(stream);
            }
        }
    }

    /// Queues a new receiver behind the pending ones.
    pub(crate) fn receive(self: &Arc<Self>, key: &StreamKey) -> oneshot::Receiver<Message> {
        let (sender, place) = oneshot::channel();
        let mut state = self.state();
        if state.closed {
            return place;
        }
        let slot = state.slots.entry(key.clone()).or_default();
        if let Some(message) = slot.returned.pop_front() {
            let _ = sender.send(message);
            state.remove_if_empty(key);
            return place;
        }
        slot.receivers.push_back(sender);
        let streams = slot.streams.clone();
        drop(state);
        for stream in streams {
            self.pump(&stream);
        }
        place
    }

    /// Registers a request, which a message on the same stream from the same address may answer.
    pub(crate) fn add_request(&self, key: &StreamKey, answer: Arc<PendingAnswer>) {
        let mut state = self.state();
        if !state.closed {
            state.slots.entry(key.clone()).or_default().requests.push_back(answer);
        }
    }

    /// Removes a request that has ended.
    pub(crate) fn remove_request(&self, key: &StreamKey, answer: &Arc<PendingAnswer>) {
        let mut state = self.state();
        // It is usually the oldest one.
        if let Some(slot) = state.slots.get_mut(key)
            && let Some(index) = slot.requests.iter().position(|request| Arc::ptr_eq(request, answer))
        {
            slot.requests.remove(index);
        }
        state.remove_if_empty(key);
    }

    /// Removes receivers that have given up.
    pub(crate) fn remove_receiver(&self, key: &StreamKey) {
        let mut state = self.state();
        if let Some(slot) = state.slots.get_mut(key) {
            slot.receivers.retain(|receiver| !receiver.is_closed());
        }
        state.remove_if_empty(key);
    }

    /// Hands out the messages of a stream for as long as somebody takes them.
    pub(crate) fn pump(self: &Arc<Self>, stream: &Arc<InboundStream>) {
        if !stream.begin_pumping() {
            return;
        }
        let _dispatching = DispatchGuard::new(&self.dispatching);
        loop {
            while let Some(delivery) = self.next_for_handler(stream) {
                (self.handler)(delivery);
            }
            if stream.end_pumping() {
                return;
            }
        }
    }

    /// As [`Inbox::pump`], for all streams of the same connection.
    pub(crate) fn pump_connection(self: &Arc<Self>, of: &Arc<InboundStream>) {
        let state = self.state();
        let streams = state.slots.values().flat_map(|slot| &slot.streams);
        let held_back: Vec<_> = streams.filter(|stream| stream.shares_connection(of)).cloned().collect();
        drop(state);
        for stream in held_back {
            self.pump(&stream);
        }
    }

    /// The bytes of all messages that were not taken yet.
    pub(crate) fn queued_bytes(&self) -> usize {
        let state = self.state();
        let streams = state.slots.values().flat_map(|slot| &slot.streams);
        streams.map(|stream| stream.queued_bytes()).sum()
    }

    /// Ends all receivers and requests. After it resolves, the handler is no longer called.
    pub(crate) async fn close(&self) {
        {
            let mut state = self.state();
            state.closed = true;
            state.slots.clear();
        }
        // Never an error: the inbox holds the sender.
        let _ = self.dispatching.subscribe().wait_for(|calls| *calls == 0).await;
    }

    /// Serves receivers and requests up to the first message for the handler.
    fn next_for_handler(self: &Arc<Self>, stream: &Arc<InboundStream>) -> Option<Delivery> {
        let mut state = self.state();
        let subscribed = state.all_streams > 0 || state.subscriptions.contains_key(&stream.key.name);
        let slot = state.slots.get_mut(&stream.key)?;
        loop {
            let by_id = stream.first(|message| slot.request(|answer| answer.id == message.id))?;
            if let Some(answer) = by_id {
                slot.answer(&answer, stream);
                continue;
            }
            if subscribed {
                let (number, wants_answer, message) = stream.take_for_handler()?;
                let ack = AckHandle::new(Some(Arc::clone(stream)), self.source(), number, wants_answer);
                return Some(Delivery { address: stream.key.address.clone(), message, ack });
            }
            if let Some(receiver) = slot.receiver() {
                if let Err(undelivered) = receiver.send(stream.take()?) {
                    slot.returned.push_back(undelivered);
                }
                continue;
            }
            let answer = slot.request(|_| true)?;
            slot.answer(&answer, stream);
        }
    }

    fn source(self: &Arc<Self>) -> Arc<dyn DeliverySource> {
        Arc::clone(self) as Arc<dyn DeliverySource>
    }

    fn state(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().expect("nothing panics while it holds the inbox")
    }
}

impl DeliverySource for Inbox {
    fn resume(self: Arc<Self>, stream: &Arc<InboundStream>) {
        self.pump(stream);
    }

    /// Passes a returned message to the next receiver.
    fn put_back(self: Arc<Self>, address: String, mut message: Message) {
        let key = StreamKey { address, name: message.stream.text.clone() };
        let mut state = self.state();
        let slot = state.slots.entry(key.clone()).or_default();
        while let Some(receiver) = slot.receivers.pop_front() {
            match receiver.send(message) {
                Ok(()) => return,
                Err(undelivered) => message = undelivered,
            }
        }
        slot.returned.push_front(message);
    }
}

/// Counts a call that may run the handler, until it is dropped.
struct DispatchGuard<'i>(&'i watch::Sender<usize>);

impl<'i> DispatchGuard<'i> {
    fn new(calls: &'i watch::Sender<usize>) -> Self {
        calls.send_modify(|calls| *calls += 1);
        Self(calls)
    }
}

impl Drop for DispatchGuard<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|calls| *calls -= 1);
    }
}

impl InboxState {
    fn remove_if_empty(&mut self, key: &StreamKey) {
        if self.slots.get(key).is_some_and(Slot::is_empty) {
            self.slots.remove(key);
        }
    }

    /// Takes the returned messages of subscribed streams.
    fn take_returned(&mut self) -> Vec<(StreamKey, Message)> {
        let (all, subscriptions) = (self.all_streams > 0, &self.subscriptions);
        let subscribed =
            self.slots.iter_mut().filter(|(key, _)| all || subscriptions.contains_key(&key.name));
        subscribed
            .flat_map(|(key, slot)| slot.returned.drain(..).map(|message| (key.clone(), message)))
            .collect()
    }
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.streams.is_empty()
            && self.receivers.is_empty()
            && self.requests.is_empty()
            && self.returned.is_empty()
    }

    /// Takes the oldest pending request that fits.
    fn request(&mut self, fits: impl Fn(&PendingAnswer) -> bool) -> Option<Arc<PendingAnswer>> {
        let index = self.requests.iter().position(|answer| !answer.is_closed() && fits(answer))?;
        self.requests.remove(index)
    }

    fn answer(&mut self, answer: &PendingAnswer, stream: &InboundStream) {
        let Some(message) = stream.take() else { return };
        if let Some(undelivered) = answer.settle(Ok(message)) {
            self.returned.push_back(undelivered);
        }
    }

    /// Takes the first receiver that is still waiting.
    fn receiver(&mut self) -> Option<oneshot::Sender<Message>> {
        while let Some(receiver) = self.receivers.pop_front() {
            if !receiver.is_closed() {
                return Some(receiver);
            }
        }
        None
    }
}
