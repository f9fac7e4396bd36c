use bytes::Bytes;
use vectr_delta::{
    Ending, HelloOffer, Message, PageSize, Session, SessionConfig, StoreReply, Uncompressed, Warning,
};

use crate::fault::Fault;
use crate::link::{Endpoint, Link};
use crate::node::{Moment, Place, SECOND};
use crate::strike::Strike;
use crate::world::{Event, World};

impl World {
    /// Starts a session between two running processes. Returns its number.
    pub(crate) fn open(&mut self, a: usize, b: usize, shard: usize, live: bool) -> usize {
        let number = self.links.len();
        if self.links.iter().any(|link| link.is_open() && link.joins(a, b) && link.shard == shard) {
            self.struck.count(Strike::Overlapping);
        }
        let ends = [(a, b), (b, a)].map(|(node, peer)| {
            let nonce = self.random.number();
            let session = self.new_session(node, peer, shard, live, nonce);
            let (session, believed) = self.remind(node, shard, session);
            Endpoint { nonce, believed, ..Endpoint::new(node, self.nodes[node].life, session) }
        });
        self.links.push(Link { shard, live, fair: !self.faulty, ends, cut: false, progress: self.now });
        self.note(|| format!("session {number}: nodes {a} and {b}, shard {shard}, live {live}"));
        for side in [0, 1] {
            self.pump(Place { link: number, side });
        }
        self.schedule(5 * SECOND, Event::Watch { link: number });
        number
    }

    /// Handles bytes that arrive.
    pub(crate) fn deliver(&mut self, to: Place, bytes: &Bytes) {
        if self.links[to.link].cut || self.is_void(to) {
            return;
        }
        self.links[to.link].progress = self.now;
        self.links[to.link].ends[to.side].receive(bytes);
        self.pump(to);
    }

    /// Handles a reply of the storage.
    pub(crate) fn reply(&mut self, to: Place, reply: StoreReply) {
        // A session that has ended still gets its replies, as one may reveal a fork.
        let end = &self.links[to.link].ends[to.side];
        if self.nodes[end.node].life != end.life {
            return;
        }
        if let StoreReply::Page(page) = &reply
            && page.end.is_some()
            && page.commit_no < self.nodes[self.links[to.link].ends[to.side].node].store.current().commit_no
        {
            self.struck.count(Strike::StaleEnd);
        }
        let reply = self.spoil_reply(to, reply);
        self.links[to.link].progress = self.now;
        self.links[to.link].ends[to.side].session.handle_store(reply);
        self.pump(to);
    }

    /// Handles the end of the stream.
    pub(crate) fn disconnect(&mut self, to: Place, reason: &'static str) {
        if self.is_void(to) {
            return;
        }
        self.links[to.link].ends[to.side].session.handle_disconnect(reason);
        self.pump(to);
    }

    /// Ends a session in which nothing has happened for long.
    pub(crate) fn watch(&mut self, number: usize) {
        let link = &self.links[number];
        if !link.is_open() {
            return;
        }
        if self.now < link.progress + PATIENCE || link.live && !self.faulty {
            return self.schedule(5 * SECOND, Event::Watch { link: number });
        }
        if !link.live {
            self.struck.count(Strike::TimedOut);
            self.note(|| format!("session {number} timed out"));
            if self.links[number].fair {
                self.violate("a session is stuck although nothing failed");
            }
        }
        for side in [0, 1] {
            self.disconnect(Place { link: number, side }, "timed out");
        }
    }

    /// Handles the end of a process that had sessions: its ends fall silent, or the peers are told.
    pub(crate) fn drop_sessions_of(&mut self, node: usize) {
        for link in 0..self.links.len() {
            for side in [0, 1] {
                let end = &mut self.links[link].ends[side];
                if end.node != node || end.closed {
                    continue;
                }
                end.closed = true;
                if self.random.one_in(2) {
                    let delay = self.new_delay();
                    let to = Place { link, side: 1 - side };
                    self.schedule(delay, Event::Close { to, reason: "the process ended" });
                }
            }
        }
    }

    fn new_session(&mut self, node: usize, peer: usize, shard: usize, live: bool, nonce: u64) -> Session {
        let offer = HelloOffer {
            nonce,
            codecs: vec![0],
            live,
            node: self.nodes[node].name.clone(),
            clock: self.nodes[node].wall(self.now),
            window: self.climate.window as u16,
        };
        let rows = self.random.between(1, self.climate.page) as usize;
        Session::new(SessionConfig {
            peer: self.nodes[peer].fingerprint,
            shard: self.shards[shard].clone(),
            offer,
            page: PageSize { bytes: 64 * 1024, rows },
            keeps_cursor: true,
        })
    }

    /// Whether this end or its process has ended.
    fn is_void(&self, place: Place) -> bool {
        let end = &self.links[place.link].ends[place.side];
        end.closed || self.nodes[end.node].life != end.life
    }

    /// Carries out all that the session requests.
    fn pump(&mut self, place: Place) {
        loop {
            let session = &mut self.links[place.link].ends[place.side].session;
            if let Some(request) = session.poll_store() {
                let delay = self.new_delay();
                self.schedule(delay, Event::Carry { from: place, request });
            } else if let Some(message) = session.poll_transmit() {
                self.send(place, &message);
            } else {
                break;
            }
        }
        self.note_hellos(place);
        self.close_if_ended(place);
    }

    fn close_if_ended(&mut self, place: Place) {
        let end = &mut self.links[place.link].ends[place.side];
        let Some(ending) = end.session.ending().filter(|_| !end.closed).cloned() else { return };
        end.closed = true;
        let report = end.session.report().clone();
        let arrival = self.links[place.link].ends[1 - place.side].arrival.max(self.now);
        let to = Place { link: place.link, side: 1 - place.side };
        self.schedule_at(arrival + 1, Event::Close { to, reason: "the peer closed the stream" });
        self.note(|| format!("session {} side {}: {ending:?}", place.link, place.side));
        self.struck.add(Strike::Conflict, report.conflicts);
        for warning in &report.warnings {
            if let Warning::Held(held) = warning {
                self.hold_back(held);
            }
        }
        let altered = self.climate.tampers || self.twins.any();
        if report.digests_differ && !altered {
            self.violate("two nodes that claim the same changes hold different content");
        }
        if report.repairs > 0 && !altered {
            self.violate("a session began a repair although nothing was damaged");
        }
        if let Ending::Failed { code, reason, by_peer: false, .. } = ending
            && self.links[place.link].fair
            && code != "ERR_PEER_UNREACHABLE"
            && code != "ERR_RESTART"
        {
            self.violate(format!("a session failed without a fault: {code} {reason}"));
        }
    }

    fn hold_back(&mut self, held: &vectr_delta::Held) {
        self.struck.add(Strike::HeldBack, held.rows);
        if !self.climate.wild_clocks && !self.twins.any() {
            self.violate(format!("rows were held back although no clocks are apart: {held:?}"));
        }
    }

    fn send(&mut self, from: Place, message: &Message) {
        let end = &self.links[from.link].ends[from.side];
        let node = end.node;
        if let Err(what) = self.check_leaving(node, self.links[from.link].shard, message) {
            self.violate(format!("node {node} must not send this {} yet: {what}", message.name()));
        }
        self.note(|| format!("  {}.{} sends {}", from.link, from.side, brief(message)));
        let frames = message.encode(&Uncompressed).expect("small messages are within the limits");
        for frame in self.frames_of(message, frames) {
            self.send_frame(Place { link: from.link, side: 1 - from.side }, frame);
        }
    }

    fn send_frame(&mut self, to: Place, frame: Bytes) {
        let odds = if self.faulty { self.climate.frame_faults } else { 0 };
        if self.random.one_in(odds) {
            self.note(|| format!("  frame to {}.{} dropped", to.link, to.side));
            return self.struck.count(Strike::Dropped);
        }
        if self.random.one_in(odds) {
            self.struck.count(Strike::Cut);
            self.note(|| format!("session {} cut", to.link));
            self.links[to.link].cut = true;
            for side in [0, 1] {
                let delay = self.new_delay();
                self.schedule(delay, Event::Close { to: Place { link: to.link, side }, reason: "cut" });
            }
            return;
        }
        let frame = if self.random.one_in(odds) { self.corrupted(&frame) } else { frame };
        if self.random.one_in(odds) {
            self.struck.count(Strike::Doubled);
            self.send_at(to, frame.clone(), false);
        }
        let late = self.random.one_in(odds);
        self.send_at(to, frame, late);
    }

    /// `late`: frames that are sent after this one may arrive before it.
    fn send_at(&mut self, to: Place, bytes: Bytes, late: bool) {
        let delay = self.new_delay();
        let now = self.now;
        let end = &mut self.links[to.link].ends[to.side];
        let arrival = (now + delay).max(end.arrival + 1);
        let passed = end.straggler.take_if(|straggler| *straggler <= now || *straggler > arrival);
        if passed.is_some_and(|straggler| straggler > arrival) {
            self.struck.count(Strike::Reordered);
        }
        let at = if late { arrival + 200_000 } else { arrival };
        if late {
            end.straggler = Some(at);
        } else {
            end.arrival = arrival;
        }
        self.schedule_at(at, Event::Deliver { to, bytes });
    }

    fn corrupted(&mut self, frame: &Bytes) -> Bytes {
        let mut bytes = frame.to_vec();
        let at = self.random.index(bytes.len());
        bytes[at] ^= 1 << self.random.below(8);
        self.struck.count(Strike::Corrupted);
        bytes.into()
    }

    /// [`Fault::VersionVectorAfterPage`].
    fn spoil_reply(&self, to: Place, mut reply: StoreReply) -> StoreReply {
        let link = &self.links[to.link];
        let database = self.nodes[link.ends[to.side].node].store.current();
        if let (Some(Fault::VersionVectorAfterPage), StoreReply::Page(page)) = (self.fault, &mut reply)
            && let Some(end) = &mut page.end
        {
            let state = &database.shards[link.shard].state;
            (end.version_vector, end.digest) = (state.version_vector.clone(), state.digest);
            end.tight = state.is_tight();
            page.commit_no = database.commit_no;
        }
        reply
    }
}

fn brief(message: &Message) -> String {
    match message {
        Message::Batch(batch) => {
            let rows = batch.rows.iter().map(|entry| format!("{} {:?}", entry.id, entry.row));
            format!("batch {} to {}: {}", batch.index, batch.position, rows.collect::<Vec<_>>().join("; "))
        }
        Message::End(end) => format!("end {} at {}: {:?}", end.index, end.position, end.version_vector),
        Message::Hello(hello) => {
            format!("hello {} {:?} {:?}", hello.site, hello.version_vector, hello.cursor)
        }
        other => format!("{other:?}"),
    }
}

/// A session without a message or a reply for this long is given up. Two barriers and two slow replies take less.
const PATIENCE: Moment = 30 * SECOND;
