use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{oneshot, watch};

use crate::messages::answer::Answer;
use crate::messages::message::Message;
use crate::messages::receive::delivery::{Delivery, Ticket};
use crate::messages::receive::inbound_stream::Lane;

/// Where messages of one stream from one address come in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key {
    pub(crate) address: String,
    pub(crate) stream: String,
}

/// What has come and what is waited for.
pub(crate) struct Inbox {
    handler: Box<dyn Fn(Delivery) + Send + Sync>,
    desk: Mutex<Desk>,
    /// How many calls may be handing something to the handler.
    handing: watch::Sender<usize>,
}

#[derive(Default)]
struct Desk {
    slots: HashMap<Key, Slot>,
    /// How often each stream is subscribed to.
    streams: HashMap<String, usize>,
    /// How often all streams are.
    all: usize,
    closed: bool,
}

#[derive(Default)]
struct Slot {
    lanes: Vec<Arc<Lane>>,
    /// Who receives, in the order of calls.
    receivers: VecDeque<oneshot::Sender<Message>>,
    /// Requests whose answer may come as a message of its own.
    asked: VecDeque<Arc<Answer>>,
    /// What somebody took and gave back.
    returned: VecDeque<Message>,
}

impl Inbox {
    pub(crate) fn new(handler: impl Fn(Delivery) + Send + Sync + 'static) -> Self {
        Self { handler: Box::new(handler), desk: Mutex::default(), handing: watch::Sender::new(0) }
    }

    pub(crate) fn add(&self, lane: &Arc<Lane>) {
        let mut desk = self.desk();
        if desk.closed {
            return;
        }
        desk.slots.entry(lane.key.clone()).or_default().lanes.push(Arc::clone(lane));
    }

    pub(crate) fn remove(&self, lane: &Arc<Lane>) {
        let mut desk = self.desk();
        if let Some(slot) = desk.slots.get_mut(&lane.key) {
            slot.lanes.retain(|other| !Arc::ptr_eq(other, lane));
        }
        desk.tidy(&lane.key);
    }

    /// Hands messages of this stream (of all, where none is named) to the handler from now on, those that wait first.
    pub(crate) fn subscribe(self: &Arc<Self>, stream: Option<&str>) {
        let _handing = Handing::new(&self.handing);
        let mut desk = self.desk();
        match stream {
            Some(stream) => *desk.streams.entry(stream.to_owned()).or_default() += 1,
            None => desk.all += 1,
        }
        let lanes: Vec<_> = desk.slots.values().flat_map(|slot| slot.lanes.clone()).collect();
        let returned = desk.take_returned();
        drop(desk);
        for (key, message) in returned {
            let ticket = Ticket::new(None, Arc::clone(self), 0, false);
            (self.handler)(Delivery { address: key.address, message, ticket });
        }
        for lane in lanes {
            self.pump(&lane);
        }
    }

    /// The opposite of [`Inbox::subscribe`].
    pub(crate) fn unsubscribe(&self, stream: Option<&str>) {
        let mut desk = self.desk();
        let Some(stream) = stream else {
            desk.all = desk.all.saturating_sub(1);
            return;
        };
        if let Some(count) = desk.streams.get_mut(stream) {
            *count -= 1;
            if *count == 0 {
                desk.streams.remove(stream);
            }
        }
    }

    /// The place of a new receiver, behind those who wait already.
    pub(crate) fn receive(self: &Arc<Self>, key: &Key) -> oneshot::Receiver<Message> {
        let (sender, place) = oneshot::channel();
        let mut desk = self.desk();
        if desk.closed {
            return place;
        }
        let slot = desk.slots.entry(key.clone()).or_default();
        if let Some(message) = slot.returned.pop_front() {
            let _ = sender.send(message);
            desk.tidy(key);
            return place;
        }
        slot.receivers.push_back(sender);
        let lanes = slot.lanes.clone();
        drop(desk);
        for lane in lanes {
            self.pump(&lane);
        }
        place
    }

    /// A request waits for its answer: a message of the same stream from the same address may be it.
    pub(crate) fn ask(&self, key: &Key, answer: Arc<Answer>) {
        let mut desk = self.desk();
        if !desk.closed {
            desk.slots.entry(key.clone()).or_default().asked.push_back(answer);
        }
    }

    /// A request has ended.
    pub(crate) fn forget_request(&self, key: &Key, answer: &Arc<Answer>) {
        let mut desk = self.desk();
        // Mostly the oldest one.
        if let Some(slot) = desk.slots.get_mut(key)
            && let Some(index) = slot.asked.iter().position(|asked| Arc::ptr_eq(asked, answer))
        {
            slot.asked.remove(index);
        }
        desk.tidy(key);
    }

    /// A receiver has given up.
    pub(crate) fn forget_receiver(&self, key: &Key) {
        let mut desk = self.desk();
        if let Some(slot) = desk.slots.get_mut(key) {
            slot.receivers.retain(|receiver| !receiver.is_closed());
        }
        desk.tidy(key);
    }

    /// A message that was handed out and not kept goes to the next who receives.
    pub(crate) fn put_back(self: &Arc<Self>, address: String, mut message: Message) {
        let key = Key { address, stream: message.stream.text.clone() };
        let mut desk = self.desk();
        let slot = desk.slots.entry(key.clone()).or_default();
        while let Some(receiver) = slot.receivers.pop_front() {
            match receiver.send(message) {
                Ok(()) => return,
                Err(unkept) => message = unkept,
            }
        }
        slot.returned.push_front(message);
    }

    /// Hands out what the lane holds for as long as somebody takes it.
    pub(crate) fn pump(self: &Arc<Self>, lane: &Arc<Lane>) {
        if !lane.begin_pumping() {
            return;
        }
        let _handing = Handing::new(&self.handing);
        loop {
            while let Some(delivery) = self.next_for_handler(lane) {
                (self.handler)(delivery);
            }
            if lane.end_pumping() {
                return;
            }
        }
    }

    /// Bytes that wait here for somebody to take them.
    pub(crate) fn queued_bytes(&self) -> usize {
        let desk = self.desk();
        let lanes = desk.slots.values().flat_map(|slot| &slot.lanes);
        lanes.map(|lane| lane.queued_bytes()).sum()
    }

    /// Nobody receives any more. Once it resolves, the handler is not called again.
    pub(crate) async fn close(&self) {
        {
            let mut desk = self.desk();
            desk.closed = true;
            desk.slots.clear();
        }
        // Never an error: the inbox holds the sender.
        let _ = self.handing.subscribe().wait_for(|calls| *calls == 0).await;
    }

    /// Serves receivers and requests up to the first message that is for the handler.
    fn next_for_handler(self: &Arc<Self>, lane: &Arc<Lane>) -> Option<Delivery> {
        let mut desk = self.desk();
        let subscribed = desk.all > 0 || desk.streams.contains_key(&lane.key.stream);
        let slot = desk.slots.get_mut(&lane.key)?;
        loop {
            let by_id = lane.first(|message| slot.request(|answer| answer.id == message.id))?;
            if let Some(answer) = by_id {
                slot.answer(&answer, lane);
                continue;
            }
            if subscribed {
                let (number, wants_answer, message) = lane.take_for_handler()?;
                let ticket = Ticket::new(Some(Arc::clone(lane)), Arc::clone(self), number, wants_answer);
                return Some(Delivery { address: lane.key.address.clone(), message, ticket });
            }
            if let Some(receiver) = slot.receiver() {
                if let Err(unkept) = receiver.send(lane.take()?) {
                    slot.returned.push_back(unkept);
                }
                continue;
            }
            let answer = slot.request(|_| true)?;
            slot.answer(&answer, lane);
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("nothing panics while it holds the inbox")
    }
}

/// Counts a call that hands out, until it is over.
struct Handing<'i>(&'i watch::Sender<usize>);

impl<'i> Handing<'i> {
    fn new(calls: &'i watch::Sender<usize>) -> Self {
        calls.send_modify(|calls| *calls += 1);
        Self(calls)
    }
}

impl Drop for Handing<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|calls| *calls -= 1);
    }
}

impl Desk {
    fn tidy(&mut self, key: &Key) {
        if self.slots.get(key).is_some_and(Slot::is_empty) {
            self.slots.remove(key);
        }
    }

    /// What was given back and is subscribed to.
    fn take_returned(&mut self) -> Vec<(Key, Message)> {
        let (all, streams) = (self.all > 0, &self.streams);
        let subscribed = self.slots.iter_mut().filter(|(key, _)| all || streams.contains_key(&key.stream));
        subscribed
            .flat_map(|(key, slot)| slot.returned.drain(..).map(|message| (key.clone(), message)))
            .collect()
    }
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.lanes.is_empty()
            && self.receivers.is_empty()
            && self.asked.is_empty()
            && self.returned.is_empty()
    }

    /// The oldest request that waits and fits.
    fn request(&mut self, fits: impl Fn(&Answer) -> bool) -> Option<Arc<Answer>> {
        let index = self.asked.iter().position(|answer| !answer.is_closed() && fits(answer))?;
        self.asked.remove(index)
    }

    fn answer(&mut self, answer: &Answer, lane: &Lane) {
        let Some(message) = lane.take() else { return };
        if let Some(unkept) = answer.settle(Ok(message)) {
            self.returned.push_back(unkept);
        }
    }

    /// The first who still waits.
    fn receiver(&mut self) -> Option<oneshot::Sender<Message>> {
        while let Some(receiver) = self.receivers.pop_front() {
            if !receiver.is_closed() {
                return Some(receiver);
            }
        }
        None
    }
}
